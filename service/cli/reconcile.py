"""`fairdeal reconcile`: hold the queue against PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from service.cli.printing import ProgressLine, counts, examples, json_option, print_json
from service.cli.setup import Setup, pass_setup
from service.usecases.ports.reconcile import Progress, Reconciliation, RunStatus, Tier

TRIGGER = "cli"


@click.command(epilog=examples("fairdeal reconcile --dry-run", "fairdeal reconcile --tier fast --json"))
@click.option("--dry-run", is_flag=True, help="Report, and change nothing.")
@click.option(
    "--tier",
    type=click.Choice([tier.value for tier in Tier]),
    default=Tier.FULL.value,
    show_default=True,
    help="Look at everything, or only at what changed recently and at overdue claims.",
)
@json_option
@pass_setup
def reconcile(setup: Setup, *, dry_run: bool, tier: str, as_json: bool) -> None:
    """Compare the queue with PostgreSQL and repair what differs.

    Runs here, not in a worker; the workers do the same by themselves every minute. Exit status 1 when the run failed,
    or was skipped because another one is under way.
    """
    with progress_line() as progress:
        run = setup.container.reconciler.run(tier=Tier(tier), trigger=TRIGGER, dry_run=dry_run, progress=progress)
    finish(run, as_json=as_json)


@contextmanager
def progress_line() -> Iterator[Progress]:
    """Show the step a run is at, while it runs."""
    line = ProgressLine()
    try:
        yield lambda step, rows: line.show(f"{step}, {rows:,} rows compared")
    finally:
        line.clear()


def finish(run: Reconciliation, *, as_json: bool) -> None:
    """Report a run; a failed or skipped one is a failure of the command."""
    if as_json:
        print_json(run)
    else:
        _print(run)
    if run.status is not RunStatus.DONE:
        raise click.ClickException(f"The run was {run.status}: {run.error or 'no reason was given'}")


def _print(run: Reconciliation) -> None:
    took = ""
    if run.started_at is not None and run.finished_at is not None:
        took = f" in {(run.finished_at - run.started_at).total_seconds():.1f} s"
    click.echo(f"run {run.id}: {run.tier}{' dry run' if run.dry_run else ''} {run.status}{took}")
    click.echo(f"  rows compared  {run.rows_compared:,}")
    click.echo(f"  found          {counts(run.found)}")
    click.echo(f"  confirmed      {counts(run.confirmed)}")
    click.echo(f"  repaired       {counts(run.repaired)}")
    if run.oldest_drift_ms is not None:
        click.echo(f"  oldest drift   {run.oldest_drift_ms / 1000:.1f} s")
    if run.repair_ms is not None:
        click.echo(f"  repaired in    {run.repair_ms / 1000:.1f} s")
