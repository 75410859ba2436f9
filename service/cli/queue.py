"""`fairdeal queue`: what is waiting."""

from __future__ import annotations

import click

from service.cli.printing import examples, json_option, print_json, print_table
from service.cli.reconcile import finish, progress_line
from service.cli.setup import Setup, pass_setup
from service.domain.model import Priority
from service.domain.wording import duration
from service.usecases.queue_stats import QueueState


@click.group()
def queue() -> None:
    """Look at the queue, or build it anew."""


@queue.command(epilog=examples("fairdeal queue stats", "fairdeal queue stats --json"))
@json_option
@pass_setup
def stats(setup: Setup, *, as_json: bool) -> None:
    """Show how much is queued in Redis against how much is open in PostgreSQL.

    Exit status 1 when Redis does not answer: the service then deals from PostgreSQL alone.
    """
    state = setup.container.queue_stats.read()
    if as_json:
        print_json(state)
    else:
        _print(state)
    if state.queued is None:
        raise click.ClickException("Redis did not answer; what is shown is PostgreSQL's side alone")


def _print(state: QueueState) -> None:
    queued = state.queued
    rows = [[str(p), "?" if queued is None else queued[p], state.open[p]] for p in Priority]
    print_table(["priority", "queued", "open"], rows)
    trusted = {None: "unknown", True: "yes", False: "no; a rebuild is due"}[state.trusted]
    oldest = "none" if state.oldest_open_s is None else duration(state.oldest_open_s)
    claims = "unknown" if state.open_claims is None else str(state.open_claims)
    click.echo(f"\ntrusted: {trusted}\nopen claims: {claims}\nlongest wait: {oldest}")


@queue.command(epilog=examples("fairdeal queue rebuild --yes"))
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@pass_setup
def rebuild(setup: Setup, *, yes: bool, as_json: bool) -> None:
    """Build the queue anew from PostgreSQL.

    Nothing is lost by it: while it is built, the service deals from PostgreSQL, slower. It is for a queue that
    `fairdeal verify` still finds wrong after a full reconciliation.
    """
    if not yes:
        click.confirm("Throw the queue in Redis away and build it anew from PostgreSQL?", abort=True)
    with progress_line() as progress:
        run = setup.container.queue_rebuild.run(progress=progress)
    finish(run, as_json=as_json)
