"""Tickets from a file: read, checked row by row, created a batch at a time; memory does not grow with the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from typing import BinaryIO, NamedTuple

from service.domain.errors import InvalidInput, StoreUnavailable
from service.domain.model import Priority
from service.domain.ticket_rules import clean_row
from service.usecases.ports.imports import ImportMark, OnError
from service.usecases.ports.tickets import ImportedTicket, TicketDraft
from service.usecases.ticket_files import FileFormat, Row, RowError, rows_of
from service.usecases.tickets import Tickets

BATCH = 5_000
"""Rows in one transaction at the most, bad ones included,"""

GROWN = 4
"""Statistics are brought up to date after a batch of new tickets, and again whenever there are so many times more."""

BATCH_CHARACTERS = 2_000_000
"""and characters of subjects and descriptions in it: memory holds one batch being written and one being read."""


class ImportedRow(NamedTuple):
    """A row's ticket; None for one that a dry run would make. `is_new` is False where it was there already."""

    line: int
    ticket_id: int | None
    is_new: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportBatch:
    """What became of a batch of rows, up to line `line`. `stopped` says that the rest of the file is not read."""

    rows: tuple[ImportedRow, ...]
    errors: tuple[RowError, ...]
    line: int
    stopped: bool = False


Marking = Callable[[int, tuple[RowError, ...]], ImportMark]
"""Say how far a batch that ends at this line, with these errors, brings the import it belongs to."""


@dataclass(slots=True)
class _Pending:
    """The batch being gathered."""

    drafts: list[TicketDraft] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)
    line: int = 0
    stopped: bool = False
    room: int = BATCH_CHARACTERS

    def take(self, item: Row | RowError) -> None:
        """Add a row as a draft, or what is wrong with it."""
        self.line = item.line
        if isinstance(item, Row):
            try:
                draft = _draft(item)
            except InvalidInput as exc:
                item = RowError(item.line, exc.detail)
            else:
                self.drafts.append(draft)
                self.lines.append(item.line)
                self.room -= len(draft.subject) + len(draft.description)
                return
        self.errors.append(item)
        self.stopped = item.fatal

    def is_full(self) -> bool:
        """Say whether it is time to write it."""
        return len(self.lines) + len(self.errors) >= BATCH or self.room <= 0


class TicketImport:
    """Create tickets from CSV or NDJSON, by the same rules as any other ticket.

    A row whose external id is there already makes no second ticket, so that an import may be repeated.
    """

    def __init__(self, *, tickets: Tickets) -> None:
        self._tickets = tickets

    def batches(
        self,
        source: BinaryIO,
        *,
        format: FileFormat,  # noqa: A002 - the word for it
        actor_id: int | None,
        on_error: OnError = OnError.SKIP,
        dry_run: bool = False,
        undisturbed: Callable[[], AbstractContextManager[object]] = nullcontext,
        after_line: int = 0,
        imported: int = 0,
        mark: Marking | None = None,
        ahead: bool = False,
    ) -> Iterator[ImportBatch]:
        """Import a file, yielding each batch once it is committed; it is queued while the next one is written.

        The rows before a bad one that stops the import are imported. `undisturbed` surrounds each transaction, so that
        an interruption can wait for its end. A dry run says of each row whether it is there already, be it further up
        in the file, and keeps the file's external ids in mind for that. Rows up to `after_line` are passed over, of
        which as many as `imported` are new tickets. What `mark` says of a batch is written with it. With `ahead`, the
        next batch is read while one is written: not for a source that may keep us waiting, such as a pipe.

        Raises `InvalidInput` for a file that cannot be read at all, `StoreUnavailable`, which names the lines whose
        fate is unknown, and `Conflict` where a mark is not the import's own any more.
        """
        rows = rows_of(source, format, after_line=after_line)
        gather = partial(_gathered, rows, stops=on_error is OnError.ABORT)
        new, due = imported, _statistics_due(imported)
        with _Queueing(self._tickets) as queueing:
            finish = _Finish(
                self._tickets, queueing, actor_id=actor_id, dry_run=dry_run, undisturbed=undisturbed, mark=mark
            )
            for pending in _read_ahead(gather) if ahead else iter(gather, None):
                batch = finish(pending)
                new += 0 if dry_run else sum(row.is_new for row in batch.rows)
                if new >= due:
                    self._tickets.refresh_statistics(new=new)
                    due = _statistics_due(new)
                yield batch
                if pending.stopped:
                    return


def _statistics_due(new: int) -> int:
    """Say at how many new tickets statistics are brought up to date next."""
    due = BATCH
    while due <= new:
        due *= GROWN
    return due


def _gathered(rows: Iterator[Row | RowError], *, stops: bool) -> _Pending | None:
    """Gather the next batch; a bad row is its last one if it `stops` the import. None at the end of the file."""
    pending = _Pending()
    for item in rows:
        pending.take(item)
        pending.stopped = pending.stopped or (stops and bool(pending.errors))
        if pending.stopped or pending.is_full():
            return pending
    return pending if pending.line else None


def _read_ahead(gather: Callable[[], _Pending | None]) -> Iterator[_Pending]:
    """Gather the next batch in a thread of its own while the one at hand is being written, which is mostly waiting."""
    with ThreadPoolExecutor(1, thread_name_prefix="import-reader") as reader:
        pending = gather()
        while pending is not None:
            following = None if pending.stopped else reader.submit(gather)
            yield pending
            pending = None if following is None else following.result()


class _Queueing:
    """Queue a batch in a thread of its own while the next one is written, one batch behind at the most.

    Leaving waits for what is under way. A process that is killed leaves a batch to the reconciler, as ever.
    """

    def __init__(self, tickets: Tickets) -> None:
        self._tickets = tickets
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="import-queue")
        self._last: Future[None] | None = None

    def __enter__(self) -> _Queueing:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._thread.shutdown()
        if kind is None and self._last is not None:
            self._last.result()

    def __call__(self, drafts: Sequence[TicketDraft], imported: Sequence[ImportedTicket]) -> None:
        """Queue what is new, once the batch before is queued. Raises what went wrong with that."""
        if self._last is not None:
            self._last.result()
        self._last = self._thread.submit(self._tickets.queue_imported, drafts, imported)


@dataclass(frozen=True, slots=True)
class _Finish:
    """How the batches of one import end."""

    tickets: Tickets
    queueing: _Queueing
    _: KW_ONLY
    actor_id: int | None
    dry_run: bool
    undisturbed: Callable[[], AbstractContextManager[object]]
    mark: Marking | None
    seen: set[str] = field(default_factory=set)
    """The external ids so far, in a dry run."""

    def __call__(self, pending: _Pending) -> ImportBatch:
        """Write a batch, unless there is nothing to write."""
        rows = self._tried(pending) if self.dry_run else ()
        errors = tuple(pending.errors)
        mark = None if self.mark is None else self.mark(pending.line, errors)
        if (pending.drafts or mark is not None) and not self.dry_run:
            with self.undisturbed():
                rows = self._write(pending, mark)
        return ImportBatch(rows=rows, errors=errors, line=pending.line, stopped=pending.stopped)

    def _tried(self, pending: _Pending) -> tuple[ImportedRow, ...]:
        """Say what would become of the rows."""
        names = [draft.external_id for draft in pending.drafts if draft.external_id is not None]
        known = self.tickets.named(names) if names else {}
        rows: list[ImportedRow] = []
        for line, draft in zip(pending.lines, pending.drafts, strict=True):
            name = draft.external_id
            rows.append(ImportedRow(line, known.get(name or ""), is_new=name not in known and name not in self.seen))
            if name is not None:
                self.seen.add(name)
        return tuple(rows)

    def _write(self, pending: _Pending, mark: ImportMark | None) -> tuple[ImportedRow, ...]:
        try:
            imported = self.tickets.import_many(pending.drafts, actor_id=self.actor_id, mark=mark)
        except StoreUnavailable as exc:
            first, last = min(pending.lines, default=pending.line), pending.lines[-1] if pending.lines else pending.line
            detail = f"{exc.detail}; whether lines {first} to {last} were imported is unknown"
            raise StoreUnavailable(detail, first_line=first, last_line=last) from exc
        self.queueing(pending.drafts, imported)
        return tuple(
            ImportedRow(line, found.ticket_id, found.is_new)
            for line, found in zip(pending.lines, imported, strict=True)
        )


def _draft(row: Row) -> TicketDraft:
    """Check a row. An empty priority is none given, as it must be in a table."""
    given = row.values.get
    priority = given("priority", "")
    if isinstance(priority, str) and not priority.strip():
        priority = Priority.MEDIUM.value
    return TicketDraft(
        *clean_row(
            subject=given("subject", ""),
            description=given("description", ""),
            priority=priority,
            external_id=given("external_id", ""),
        )
    )
