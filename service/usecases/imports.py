"""Uploads: a small one is imported at once, a large one kept and imported by a worker, a slice of time at a time.

Each batch's transaction also notes how far it brings the import, under the number of the attempt. So whoever takes up
an import whose worker died goes on behind the last row that was committed, and a worker only thought dead is refused.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from typing import BinaryIO
from uuid import UUID

from service.domain.errors import Conflict, InvalidInput, NotFound, QueueUnavailable
from service.domain.model import Page
from service.usecases.ports.imports import (
    ImportJob,
    ImportMark,
    ImportRequest,
    ImportStatus,
    ImportStore,
    OnError,
)
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.reconcile import JobQueue
from service.usecases.ticket_files import FileFormat, rows_of
from service.usecases.ticket_import import ImportBatch, TicketImport

log = logging.getLogger(__name__)

JOB = "workers.jobs.import_tickets"
"""The job that carries an import on; its argument is the import's id."""

SMALL_BYTES = 262_144
SMALL_LINES = 1_000
"""An upload of no more bytes and line ends than these is imported while its sender waits."""

PART_BYTES = 1_048_576
"""How much of an upload is kept in one row."""

SLICE_S = 5.0
"""How long a job works on an import; then others have their turn."""

SILENT_FOR_S = 30.0
"""A worker that has finished no batch for so long is taken for dead; a batch takes well under a second."""


class Imports:
    """Take uploads in, and carry imports on in the background."""

    def __init__(
        self,
        *,
        store: ImportStore,
        ticket_import: TicketImport,
        jobs: JobQueue,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._ticket_import = ticket_import
        self._jobs = jobs
        self._clock = clock

    def accept(
        self,
        source: BinaryIO,
        *,
        format: FileFormat,  # noqa: A002 - the word for it
        on_error: OnError,
        actor_id: int | None,
        operation_id: UUID | None = None,
    ) -> list[ImportBatch] | ImportJob:
        """Import a small upload, or keep a large one for a worker. `source` can be read twice.

        An upload with an `operation_id` is kept, small or large, before anything is imported: trying it again finds the
        import there is, which goes on in the background where the first try died. Raises `InvalidInput` for a file that
        cannot be read at all, `StoreUnavailable`.
        """
        known = None if operation_id is None else self._store.of_operation(operation_id)
        if known is not None:
            return known
        head = source.read(SMALL_BYTES + 1)
        is_small = len(head) <= SMALL_BYTES and head.count(b"\n") <= SMALL_LINES
        if is_small and operation_id is None:
            batches = self._ticket_import.batches(io.BytesIO(head), format=format, actor_id=actor_id, on_error=on_error)
            return list(batches)
        source.seek(0)
        next(rows_of(source, format), None)
        job = self._keep(source, format, on_error, actor_id, operation_id)
        if is_small:
            return self._at_once(job, io.BytesIO(head))
        self._call_worker(job)
        return job

    def hand_over(
        self,
        source: BinaryIO,
        *,
        format: FileFormat,  # noqa: A002 - the word for it
        on_error: OnError,
        actor_id: int | None,
        operation_id: UUID,
    ) -> ImportJob:
        """Keep an upload, however small, for a worker; trying the operation again finds the import there is.

        Raises `InvalidInput` for a file that cannot be read at all, `StoreUnavailable`.
        """
        known = self._store.of_operation(operation_id)
        if known is not None:
            return known
        source.seek(0)
        next(rows_of(source, format), None)
        job = self._keep(source, format, on_error, actor_id, operation_id)
        self._call_worker(job)
        return job

    def page(self, request: PageRequest, *, statuses: tuple[ImportStatus, ...] = ()) -> Page[ImportJob]:
        """List imports, all of them or those of some states. Raises `InvalidInput` for a cursor or sort not ours."""
        return self._store.page(request, statuses=statuses)

    def get(self, import_id: int) -> ImportJob:
        """Read how far an import has come. Raises `NotFound`."""
        job = self._store.get(import_id)
        if job is None:
            raise NotFound(f"There is no import {import_id}")
        return job

    def run(self, import_id: int) -> None:
        """Carry an import on for a while, if nobody else does. Raises `StoreUnavailable`; the clock will try again."""
        job = self._store.begin(import_id, silent_for_s=SILENT_FOR_S)
        if job is None:
            return
        try:
            end = self._carry_on(job)
        except InvalidInput as exc:
            self._store.finish(job.id, job.attempt, status=ImportStatus.FAILED, error=exc.detail)
        except Conflict as exc:
            log.warning("import_left_to_another", extra={"import_id": job.id, "why": exc.detail})
        else:
            self._conclude(job, end)

    def resume(self) -> None:
        """Enqueue what waits though no job does, or whose worker has died.

        Raises `StoreUnavailable`, `QueueUnavailable`.
        """
        for job in self._store.unfinished(silent_for_s=SILENT_FOR_S):
            self._enqueue(job)

    def _at_once(self, job: ImportJob, source: BinaryIO) -> list[ImportBatch] | ImportJob:
        """Import what has been kept, batch by batch with its mark, unless somebody else has taken it up."""
        begun = self._store.begin(job.id, silent_for_s=SILENT_FOR_S)
        if begun is None:
            return self.get(job.id)
        try:
            batches = list(self._batches(begun, source))
        except Conflict:
            return self.get(job.id)
        except InvalidInput as exc:
            self._store.finish(begun.id, begun.attempt, status=ImportStatus.FAILED, error=exc.detail)
            raise
        stopped = any(batch.stopped for batch in batches)
        end = ImportStatus.STOPPED if stopped else ImportStatus.DONE
        self._store.finish(begun.id, begun.attempt, status=end)
        return batches

    def _keep(
        self,
        source: BinaryIO,
        format_: FileFormat,
        on_error: OnError,
        actor_id: int | None,
        operation_id: UUID | None,
    ) -> ImportJob:
        source.seek(0)
        size = lines = 0
        while part := source.read(PART_BYTES):
            size += len(part)
            lines += part.count(b"\n")
        source.seek(0)
        wanted = ImportRequest(
            format=format_,
            on_error=on_error,
            requested_by=actor_id,
            size_bytes=size,
            lines=lines,
            operation_id=operation_id,
        )
        return self._store.request(wanted, iter(lambda: source.read(PART_BYTES), b""))

    def _call_worker(self, job: ImportJob) -> None:
        try:
            self._enqueue(job)
        except QueueUnavailable:
            log.warning("import_waits_for_the_clock", extra={"import_id": job.id})

    def _enqueue(self, job: ImportJob) -> None:
        """Enqueue once for each attempt: a job cannot be enqueued again under its own id while it runs."""
        self._jobs.enqueue(JOB, job.id, unique_id=f"import-{job.id}-{job.attempt}")

    def _carry_on(self, job: ImportJob) -> ImportStatus:
        until = self._clock() + SLICE_S
        upload = io.BufferedReader(_Upload(self._store, job.id), PART_BYTES)
        for batch in self._batches(job, upload):
            if batch.stopped:
                return ImportStatus.STOPPED
            if self._clock() >= until:
                return ImportStatus.QUEUED
        return ImportStatus.DONE

    def _batches(self, job: ImportJob, upload: BinaryIO) -> Iterator[ImportBatch]:
        """Import what the file has behind the import's position, noting it anew with each batch."""
        return self._ticket_import.batches(
            upload,
            format=job.format,
            actor_id=job.requested_by,
            on_error=job.on_error,
            after_line=job.line,
            imported=job.imported,
            ahead=True,
            mark=lambda line, errors: ImportMark(import_id=job.id, attempt=job.attempt, line=line, errors=errors),
        )

    def _conclude(self, job: ImportJob, end: ImportStatus) -> None:
        if end is not ImportStatus.QUEUED:
            self._store.finish(job.id, job.attempt, status=end)
            log.info("import_finished", extra={"import_id": job.id, "status": end.value})
        elif self._store.pause(job.id, job.attempt):
            self._enqueue(job)


class _Upload(io.RawIOBase):
    """An upload, read from the store part by part."""

    def __init__(self, store: ImportStore, import_id: int) -> None:
        self._store = store
        self._import_id = import_id
        self._place = 0
        self._left = memoryview(b"")

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer from the present part, or the next."""
        if not self._left:
            self._left = memoryview(self._store.part(self._import_id, self._place))
            self._place += 1
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        return size
