"""Imports that a worker carries out: what is kept of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from service.domain.model import Page
from service.usecases.ports.paging import PageRequest
from service.usecases.ticket_files import FileFormat, RowError

KEPT_ERRORS = 100
"""Bad rows whose errors are kept; the others are only counted."""


class OnError(StrEnum):
    """What to do with a bad row: leave it out, or stop before it."""

    SKIP = "skip"
    ABORT = "abort"


class ImportStatus(StrEnum):
    """Where an import stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    """At a bad row, as was wanted, or where it could not be told where the next row begins."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    """An upload to import: its length in bytes and in line ends."""

    format: FileFormat
    on_error: OnError
    requested_by: int | None
    size_bytes: int
    lines: int
    operation_id: UUID | None = None
    """The operation that keeps it; whoever takes that up again finds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportJob:
    """An import in the background. Rows up to `line` are dealt with; `attempt` rises each time a worker takes it up."""

    id: int
    format: FileFormat
    on_error: OnError
    status: ImportStatus
    requested_by: int | None
    size_bytes: int
    lines: int
    attempt: int
    line: int
    imported: int
    already_there: int
    bad: int
    errors: tuple[RowError, ...]
    error: str | None
    requested_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportMark:
    """How far an import has come, written in the transaction of the batch that brought it there."""

    import_id: int
    attempt: int
    line: int
    errors: tuple[RowError, ...]


class ImportStore(Protocol):
    """Imports and their uploads."""

    def request(self, wanted: ImportRequest, parts: Iterable[bytes]) -> ImportJob:
        """Keep an upload, all of it or nothing, for a worker to take up; once for an operation."""

    def of_operation(self, operation_id: UUID) -> ImportJob | None:
        """Read the import that an earlier try of the operation kept."""

    def page(self, request: PageRequest, *, statuses: tuple[ImportStatus, ...]) -> Page[ImportJob]:
        """List imports, all of them or those of some states. Raises `InvalidInput` for a cursor or sort not ours."""

    def get(self, import_id: int) -> ImportJob | None:
        """Read one import."""

    def part(self, import_id: int, place: int) -> bytes:
        """Read one part of the upload, counted from 0; empty after the last."""

    def begin(self, import_id: int, *, silent_for_s: float) -> ImportJob | None:
        """Take up an import that waits, or whose worker has been silent for so long; None where there is none such."""

    def pause(self, import_id: int, attempt: int) -> bool:
        """Let another job go on; False when another one does already."""

    def finish(self, import_id: int, attempt: int, *, status: ImportStatus, error: str | None = None) -> bool:
        """Note the end and drop the upload; False when another attempt goes on."""

    def unfinished(self, *, silent_for_s: float) -> list[ImportJob]:
        """List what waits, or whose worker has been silent for so long."""
