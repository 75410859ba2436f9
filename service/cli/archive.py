"""`fairdeal archive`: make room for what is worked on."""

from __future__ import annotations

import re

import click

from service.cli.printing import ProgressLine, examples, json_option, print_json
from service.cli.setup import Setup, pass_setup
from service.domain.retention import LEAST_ARCHIVE_DAYS
from service.usecases.archive import DAY_S, Sweep
from service.usecases.ports.archive import Due

DEFAULT_DAYS = 90


class Days(click.ParamType[int]):
    """A number of days, such as 90d or 90."""

    name = "days"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read the number."""
        found = re.fullmatch(r"(\d{1,5})d?", str(value))
        if found is None or int(found[1]) < LEAST_ARCHIVE_DAYS:
            self.fail(f"must be a number of days such as 90d, {LEAST_ARCHIVE_DAYS}d at the least", param, ctx)
        return int(found[1])


@click.command(epilog=examples("fairdeal archive --dry-run", "fairdeal archive --older-than 30d --yes"))
@click.option(
    "--older-than",
    type=Days(),
    help="How long the tickets have been unchanged, such as 90d (default: ARCHIVE_AFTER_DAYS, or 90d).",
)
@click.option("--dry-run", is_flag=True, help="Say how many there are, and move nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@pass_setup
def archive(setup: Setup, *, older_than: int | None, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Move closed, sold and deleted tickets that are old to the archive, with their histories.

    The workers do so by themselves, every minute and gently; this does it at once, while the service goes on. It may be
    stopped at any time and run again. What is archived is read as before; a closed ticket comes back when reopened.
    """
    archiving = setup.container.archiving
    days = older_than or setup.settings.archive_after_days or DEFAULT_DAYS
    due = archiving.due(days * DAY_S)
    if dry_run or not yes:
        _tell(due, days, as_json=as_json and dry_run)
    if dry_run or due.tickets == 0:
        return
    if not yes:
        click.confirm("Move them to the archive?", abort=True)
    line = ProgressLine()

    def go_on(done: Sweep) -> bool:
        line.show(f"{done.tickets:,} tickets moved")
        return True

    try:
        done = archiving.run(older_than_s=days * DAY_S, go_on=go_on)
    finally:
        line.clear()
    if as_json:
        print_json(done)
        return
    click.echo(f"{done.tickets:,} tickets moved to the archive, with {done.events:,} lines of history")
    if done.left:
        click.echo(f"{done.left:,} stay for now: in use, noted on lately, or not yet told of by mail and webhooks")


def _tell(due: Due, days: int, *, as_json: bool) -> None:
    if as_json:
        print_json(due)
        return
    count = f"{due.tickets:,}" if due.is_exact else f"more than {due.tickets:,}"
    since = "" if due.oldest_at is None else f"; the first since {due.oldest_at:%Y-%m-%d}"
    click.echo(f"{count} closed, sold or deleted tickets have been unchanged for {days} days{since}")
