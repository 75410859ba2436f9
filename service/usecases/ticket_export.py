"""Tickets to a file, CSV (RFC 4180) or NDJSON, a page at a time; memory does not grow with the number of tickets."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain

from service.domain.errors import InvalidInput
from service.domain.model import Ticket
from service.usecases.ports.tickets import TicketFilter, TicketStore
from service.usecases.ticket_files import FileFormat

PAGE = 1_000
"""Tickets read by one statement."""

COLUMNS = (
    "id",
    "subject",
    "description",
    "priority",
    "status",
    "agent_id",
    "customer_id",
    "created_by",
    "epoch",
    "created_at",
    "updated_at",
    "assigned_at",
    "resolved_at",
    "sold_at",
    "external_id",
)
"""What is written of a ticket, in this order, in both formats."""

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins so is run as a formula by spreadsheets (https://owasp.org/www-community/attacks/CSV_Injection)."""


class TicketExport:
    """Write tickets out in creation order."""

    def __init__(self, *, store: TicketStore) -> None:
        self._store = store

    def chunks(self, wanted: TicketFilter, *, format: FileFormat) -> Iterator[bytes]:  # noqa: A002 - the word for it
        """Yield the file piece by piece. No ticket comes twice; each is as it was when its page was read.

        The first page is read before this returns, so that what is wrong from the start is raised here:
        `InvalidInput`, `StoreUnavailable`. The latter may be raised under way too, and the file is then not complete.
        """
        if wanted.text is not None and "\x00" in wanted.text:
            raise InvalidInput(("q", "must not contain a NUL character"))
        write = _csv if format is FileFormat.CSV else _ndjson
        pages = self._store.walk(wanted, size=PAGE)
        first = next(pages, [])
        head = [_csv_rows([COLUMNS])] if format is FileFormat.CSV else []
        return chain(head, (write(page) for page in chain([first], pages) if page))


def _csv(tickets: Sequence[Ticket]) -> bytes:
    return _csv_rows([[_cell(getattr(ticket, column)) for column in COLUMNS] for ticket in tickets])


def _csv_rows(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()


def _cell(value: object) -> str:
    """Write one value; a text that a spreadsheet would run gets an apostrophe in front, which keeps it a text."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return _moment(value)
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _ndjson(tickets: Sequence[Ticket]) -> bytes:
    return "".join(f"{_ENCODER.encode(_object(ticket))}\n" for ticket in tickets).encode()


def _object(ticket: Ticket) -> dict[str, object]:
    return {column: getattr(ticket, column) for column in COLUMNS}


def _moment(value: object) -> str:
    if not isinstance(value, datetime):
        raise TypeError(f"{type(value).__name__} has no place in a file")
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_moment)
