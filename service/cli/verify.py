"""`fairdeal verify`: whether the service keeps its promises."""

from __future__ import annotations

from collections.abc import Sequence

import click

from service.cli.printing import examples, json_option, print_json
from service.cli.setup import Setup, pass_setup
from service.usecases.invariants import InvariantResult, all_hold

PAUSE_S = 0.5


@click.command(epilog=examples("fairdeal verify", "fairdeal verify --wait 90 --json", "fairdeal verify --live"))
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="SECONDS",
    help="Check again for this long, until all hold, as after an outage.",
)
@click.option("--live", is_flag=True, help="Tickets are being dealt right now: do not judge what holds only at rest.")
@json_option
@pass_setup
def verify(setup: Setup, *, wait_s: float, live: bool, as_json: bool) -> None:
    """Check the invariants; exit status 0 only if all of them hold.

    Changes nothing. At rest the queue and the held sets must be exactly what PostgreSQL says; they are looked at twice,
    and only what is wrong both times counts. With --live, differences between the two are shown and not judged.
    """
    until = setup.clock() + wait_s
    results = setup.container.invariants.check(at_rest=not live)
    while not all_hold(results) and setup.clock() < until:
        setup.sleep(min(PAUSE_S, max(0.0, until - setup.clock())))
        results = setup.container.invariants.check(at_rest=not live)
    if as_json:
        print_json({"ok": all_hold(results), "invariants": results})
    else:
        _print(results)
    if not all_hold(results):
        raise click.exceptions.Exit(1)


def _print(results: Sequence[InvariantResult]) -> None:
    for result in results:
        click.echo(f"{result.code:<4} {_verdict(result):<14} {result.title}")
        if result.note:
            click.echo(f"       {result.note}")
        for example in result.examples:
            click.echo(f"       - {example}")
    click.echo("all hold" if all_hold(results) else "NOT all hold")


def _verdict(result: InvariantResult) -> str:
    if result.ok:
        return "ok"
    if result.ok is None:
        return f"not judged{f' ({result.violations:,})' if result.violations else ''}"
    return f"VIOLATED {result.violations:,}"
