"""Tickets from a file: read, checked row by row, created a batch at a time; memory does not grow with the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from enum import StrEnum
from typing import BinaryIO

from service.domain.errors import InvalidInput, StoreUnavailable
from service.domain.model import Cause, Priority
from service.domain.ticket_rules import clean_ticket
from service.usecases.ports.tickets import TicketDraft
from service.usecases.ticket_files import ImportFormat, Row, RowError, rows_of
from service.usecases.tickets import Tickets

BATCH = 1_000
"""Rows in one transaction, bad ones included."""


class OnError(StrEnum):
    """What to do with a bad row: leave it out, or stop before it."""

    SKIP = "skip"
    ABORT = "abort"


@dataclass(frozen=True, slots=True)
class ImportedRow:
    """A row that became a ticket; `ticket_id` is None in a dry run."""

    line: int
    ticket_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportBatch:
    """What became of a batch of rows, up to line `line`. `stopped` says that the rest of the file is not read."""

    rows: tuple[ImportedRow, ...]
    errors: tuple[RowError, ...]
    line: int
    stopped: bool = False


@dataclass(slots=True)
class _Pending:
    """The batch being gathered."""

    drafts: list[TicketDraft] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)
    line: int = 0
    stopped: bool = False

    def take(self, item: Row | RowError) -> None:
        """Add a row as a draft, or what is wrong with it."""
        self.line = item.line
        if isinstance(item, Row):
            try:
                self.drafts.append(_draft(item))
                self.lines.append(item.line)
            except InvalidInput as exc:
                item = RowError(item.line, exc.detail)
        if isinstance(item, RowError):
            self.errors.append(item)
            self.stopped = item.fatal

    @property
    def size(self) -> int:
        """Count the rows, bad ones included."""
        return len(self.lines) + len(self.errors)


class TicketImport:
    """Create tickets from CSV or NDJSON, by the same rules as any other ticket."""

    def __init__(self, *, tickets: Tickets) -> None:
        self._tickets = tickets

    def batches(
        self,
        source: BinaryIO,
        *,
        format: ImportFormat,  # noqa: A002 - the word for it
        actor_id: int | None,
        on_error: OnError = OnError.SKIP,
        dry_run: bool = False,
        undisturbed: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> Iterator[ImportBatch]:
        """Import a file, yielding each batch once it is committed and queued.

        The rows before a bad one that stops the import are imported. `undisturbed` surrounds each transaction, so that
        an interruption can wait for its end. Raises `InvalidInput` for a file that cannot be read at all, and
        `StoreUnavailable`, which names the lines whose fate is unknown.
        """
        pending = _Pending()
        for item in rows_of(source, format):
            pending.take(item)
            pending.stopped = pending.stopped or (bool(pending.errors) and on_error is OnError.ABORT)
            if pending.size >= BATCH or pending.stopped:
                yield self._finish(pending, actor_id=actor_id, dry_run=dry_run, undisturbed=undisturbed)
                if pending.stopped:
                    return
                pending = _Pending()
        if pending.size:
            yield self._finish(pending, actor_id=actor_id, dry_run=dry_run, undisturbed=undisturbed)

    def _finish(
        self,
        pending: _Pending,
        *,
        actor_id: int | None,
        dry_run: bool,
        undisturbed: Callable[[], AbstractContextManager[object]],
    ) -> ImportBatch:
        ids: list[int] | list[None] = [None] * len(pending.drafts)
        if pending.drafts and not dry_run:
            with undisturbed():
                ids = self._create(pending, actor_id=actor_id)
        return ImportBatch(
            rows=tuple(map(ImportedRow, pending.lines, ids)),
            errors=tuple(pending.errors),
            line=pending.line,
            stopped=pending.stopped,
        )

    def _create(self, pending: _Pending, *, actor_id: int | None) -> list[int]:
        try:
            created = self._tickets.create_many(pending.drafts, actor_id=actor_id, cause=Cause.IMPORT)
        except StoreUnavailable as exc:
            first, last = pending.lines[0], pending.lines[-1]
            detail = f"{exc.detail}; whether lines {first} to {last} were imported is unknown"
            raise StoreUnavailable(detail, first_line=first, last_line=last) from exc
        return [ticket.id for ticket in created]


def _draft(row: Row) -> TicketDraft:
    """Check a row. An empty priority is none given, as it must be in a table."""
    priority_given = row.values.get("priority", "")
    if isinstance(priority_given, str) and not priority_given.strip():
        priority_given = Priority.MEDIUM.value
    subject, description, priority = clean_ticket(
        subject=row.values.get("subject", ""),
        description=row.values.get("description", ""),
        priority=priority_given,
    )
    return TicketDraft(subject=subject, description=description, priority=priority)
