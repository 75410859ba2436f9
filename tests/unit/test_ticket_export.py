"""Exporting tickets: what is written, and what is not left to be run."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from service.cli import cli
from service.cli.setup import Setup
from service.domain.errors import InvalidInput, StoreUnavailable
from service.domain.model import Priority, Ticket, TicketStatus
from service.usecases.ports.tickets import TicketFilter
from service.usecases.ticket_export import COLUMNS, TicketExport
from service.usecases.ticket_files import FileFormat
from tests.unit.api.fakes import a_ticket

CSV, NDJSON = FileFormat.CSV, FileFormat.NDJSON


class Walked:
    """Stand in for the store: pages as given; one that is an error is raised."""

    def __init__(self, *pages: list[Ticket] | Exception) -> None:
        self.pages = pages
        self.read = 0
        self.wanted: TicketFilter | None = None

    def walk(self, wanted: TicketFilter, *, size: int) -> Iterator[list[Ticket]]:
        assert size == 1_000
        self.wanted = wanted
        for page in self.pages:
            self.read += 1
            if isinstance(page, Exception):
                raise page
            yield page


def export(store: Walked, format_: FileFormat = CSV, **wanted: Any) -> Iterator[bytes]:
    return TicketExport(store=store).chunks(TicketFilter(**wanted), format=format_)  # type: ignore[arg-type]


def test_csv_is_as_rfc_4180_has_it() -> None:
    text = b"".join(export(Walked([a_ticket(description='He said "no".\nTwice, even.', agent_id=2)]))).decode()
    assert text.splitlines()[0] == ",".join(COLUMNS)
    assert text.endswith("\r\n")
    assert '"He said ""no"".\nTwice, even."' in text
    [row] = csv.DictReader(io.StringIO(text, newline=""))
    assert row["description"] == 'He said "no".\nTwice, even.'
    assert (row["id"], row["agent_id"], row["customer_id"]) == ("7", "2", "")
    assert row["created_at"] == "2026-01-31T09:00:00Z"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_of_csv_is_a_formula(start: str) -> None:
    ticket = a_ticket(subject=f"{start}1+1", description=f"{start}cmd|' /C calc'!A0")
    text = b"".join(export(Walked([ticket]))).decode()
    [row] = csv.DictReader(io.StringIO(text, newline=""))
    assert row["subject"] == f"'{start}1+1"
    assert row["description"] == f"'{start}cmd|' /C calc'!A0"


def test_ndjson_is_exact() -> None:
    moment = datetime(2026, 1, 31, 11, 0, tzinfo=timezone(timedelta(hours=2)))
    ticket = a_ticket(subject="=1+1 ü", description="a\nb", status=TicketStatus.SOLD, sold_at=moment)
    [line] = b"".join(export(Walked([ticket]), NDJSON)).splitlines()
    found = json.loads(line)
    assert tuple(found) == COLUMNS
    assert (found["subject"], found["description"], found["status"]) == ("=1+1 ü", "a\nb", "sold")
    assert (found["sold_at"], found["assigned_at"]) == ("2026-01-31T09:00:00Z", None)
    assert datetime.fromisoformat(found["sold_at"]).astimezone(UTC) == moment


def test_nothing_found_is_a_file_without_rows() -> None:
    assert b"".join(export(Walked())) == (",".join(COLUMNS) + "\r\n").encode()
    assert b"".join(export(Walked(), NDJSON)) == b""


def test_no_more_pages_are_read_than_are_wanted() -> None:
    store = Walked(*([a_ticket(n)] for n in range(1, 10)))
    chunks = export(store, NDJSON)
    next(chunks)
    next(chunks)
    assert store.read == 2


def test_what_is_wrong_from_the_start_is_raised_before_the_first_piece() -> None:
    with pytest.raises(StoreUnavailable):
        export(Walked(StoreUnavailable("PostgreSQL did not answer")))
    with pytest.raises(InvalidInput):
        export(Walked(), text="a\0b")


def test_an_export_that_fails_under_way_does_not_end_as_if_complete() -> None:
    chunks = export(Walked([a_ticket()], StoreUnavailable("PostgreSQL did not answer")), NDJSON)
    next(chunks)
    with pytest.raises(StoreUnavailable):
        next(chunks)


def run(store: Walked, *args: str) -> Any:
    parts: Any = SimpleNamespace(ticket_export=TicketExport(store=store))  # type: ignore[arg-type]
    return CliRunner().invoke(cli, ("export", *args), obj=Setup({}, container=parts))


def test_the_command_writes_what_is_asked_for(tmp_path: Any) -> None:
    store = Walked([a_ticket(7), a_ticket(8)])
    path = tmp_path / "some.ndjson"
    words = "--status sold --status open --priority high --agent-id 2 --search x --created-after 2026-01-31 --overdue"
    words += " --external-id INC-1"
    result = run(store, "--format", "ndjson", "-o", str(path), *words.split())
    assert (result.exit_code, result.stdout) == (0, "")
    assert [json.loads(line)["id"] for line in path.read_text().splitlines()] == [7, 8]
    assert store.wanted == TicketFilter(
        statuses=(TicketStatus.SOLD, TicketStatus.OPEN),
        priorities=(Priority.HIGH,),
        agent_id=2,
        text="x",
        overdue=True,
        external_id="INC-1",
        created_after=datetime(2026, 1, 31, tzinfo=UTC),
    )


def test_the_command_fails_where_the_file_is_not_complete() -> None:
    result = run(Walked([a_ticket()], StoreUnavailable("PostgreSQL did not answer")))
    assert result.exit_code == 1
    assert "PostgreSQL did not answer" in result.stderr


def test_the_command_says_what_a_moment_is() -> None:
    result = run(Walked(), "--created-before", "yesterday")
    assert result.exit_code == 2
    assert "2026-01-31T09:00:00Z" in result.stderr
