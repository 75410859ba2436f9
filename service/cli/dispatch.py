"""`fairdeal dispatch`: give what waits to the agents who take it unasked."""

from __future__ import annotations

from collections.abc import Sequence

import click

from service.cli.printing import examples, json_option, print_json, print_table
from service.cli.setup import Setup, pass_setup
from service.domain.model import Level
from service.usecases.dispatch import Gift

TRIGGER = "cli"
SHOWN = 15
"""Ids named in a line of the table: as many as one hand holds."""


@click.command(epilog=examples("fairdeal dispatch --dry-run", "fairdeal dispatch --json"))
@click.option("--dry-run", is_flag=True, help="Say who would be given what, and change nothing.")
@json_option
@pass_setup
def dispatch(setup: Setup, *, dry_run: bool, as_json: bool) -> None:
    """Give waiting tickets to available agents with auto_assign, and say who got what.

    Runs here, not in a worker; the workers do the same by themselves whenever something changes. Exit status 1 when
    another run is under way and does not end.
    """
    container = setup.container
    gifts = container.dispatcher.preview() if dry_run else container.dispatcher.run(trigger=TRIGGER).gifts
    state = container.dispatch_report.read()
    if as_json:
        print_json({"dry_run": dry_run, "gifts": gifts, "held_up": state.held_up})
        return
    _print(gifts, names=container.users.usernames({gift.agent_id for gift in gifts}), dry_run=dry_run)
    for priority, why in state.held_up.items():
        click.echo(f"{priority} waits: {why}")
    if not state.held_up and not any(state.takers[level].willing for level in Level):
        click.echo("No agent has auto_assign: tickets wait to be fetched.")


def _print(gifts: Sequence[Gift], *, names: dict[int, str], dry_run: bool) -> None:
    count = sum(len(gift.ticket_ids) for gift in gifts)
    click.echo(f"{count} ticket{'' if count == 1 else 's'} {'would be ' if dry_run else ''}given")
    if gifts:
        rows = [
            [names.get(gift.agent_id, f"agent {gift.agent_id}"), len(gift.ticket_ids), _ids(gift.ticket_ids)]
            for gift in gifts
        ]
        print_table(["agent", "tickets", "ids"], rows)


def _ids(ids: Sequence[int]) -> str:
    more = f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
    return " ".join(map(str, ids[:SHOWN])) + more
