"""`fairdeal export`: tickets to a file."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import BinaryIO

import click

from service.cli.printing import ProgressLine, examples
from service.cli.setup import Setup, pass_setup
from service.domain.model import Priority, TicketStatus
from service.usecases.ports.tickets import TicketFilter
from service.usecases.ticket_files import FileFormat


class Moment(click.ParamType[datetime]):
    """A moment in ISO 8601; one without an offset is in UTC."""

    name = "moment"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read the moment."""
        try:
            moment = datetime.fromisoformat(str(value))
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail("must be a moment in ISO 8601, such as 2026-01-31T09:00:00Z", param, ctx)


@click.command(
    "export",
    epilog=examples(
        "fairdeal export > tickets.csv",
        "fairdeal export --format ndjson --status sold --created-after 2026-01-01 -o sold.ndjson",
    ),
)
@click.option(
    "--format",
    "format_name",
    type=click.Choice([format_.value for format_ in FileFormat]),
    default=FileFormat.CSV.value,
    show_default=True,
    help="How to write the file.",
)
@click.option("--output", "-o", type=click.File("wb"), default="-", help="Write to this file (default: stdout).")
@click.option("--status", type=click.Choice([status.value for status in TicketStatus]), multiple=True)
@click.option("--priority", type=click.Choice([priority.value for priority in Priority]), multiple=True)
@click.option("--agent-id", type=click.IntRange(1, 2**63 - 1), help="Tickets this agent has or had last.")
@click.option("--customer-id", type=click.IntRange(1, 2**63 - 1), help="Tickets sold to this customer.")
@click.option("--external-id", help="The ticket that another system calls so.")
@click.option("--overdue/--not-overdue", default=None, help="Tickets that have missed a target and still wait; or not.")
@click.option("--archived", is_flag=True, help="Tickets in the archive, instead of all others.")
@click.option("--search", help="Tickets whose subject or description contains this.")
@click.option("--created-after", type=Moment(), help="ISO 8601; UTC where no offset is given.")
@click.option("--created-before", type=Moment())
@pass_setup
def export_tickets(
    setup: Setup,
    *,
    format_name: str,
    output: BinaryIO,
    status: tuple[str, ...],
    priority: tuple[str, ...],
    agent_id: int | None,
    customer_id: int | None,
    external_id: str | None,
    overdue: bool | None,
    archived: bool,
    search: str | None,
    created_after: datetime | None,
    created_before: datetime | None,
) -> None:
    """Write tickets as CSV or NDJSON, in creation order; without options, all that are not in the archive.

    In CSV, texts that a spreadsheet would take for a formula get an apostrophe in front; NDJSON is exact.
    """
    wanted = TicketFilter(
        statuses=tuple(map(TicketStatus, status)),
        priorities=tuple(map(Priority, priority)),
        agent_id=agent_id,
        customer_id=customer_id,
        external_id=external_id,
        overdue=overdue,
        archived=archived,
        text=search,
        created_after=created_after,
        created_before=created_before,
    )
    progress = ProgressLine()
    written = 0
    try:
        for chunk in setup.container.ticket_export.chunks(wanted, format=FileFormat(format_name)):
            output.write(chunk)
            written += len(chunk)
            progress.show(f"{written:,} bytes written")
    except BrokenPipeError:
        raise
    except OSError as exc:
        raise click.ClickException(f"The file cannot be written: {exc.strerror}; it is not complete") from exc
    finally:
        progress.clear()
