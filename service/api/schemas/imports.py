"""Imports as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from flask_openapi3.models import RawModel
from pydantic import Field, StringConstraints

from service.api.schemas.fields import Id, Several
from service.api.schemas.paging import PageAnswer, Paging
from service.api.schemas.shape import Answer, Input
from service.usecases.ports.imports import KEPT_ERRORS, ImportJob, ImportStatus, OnError
from service.usecases.ports.paging import PageRequest
from service.usecases.ticket_files import FileFormat, RowError
from service.usecases.ticket_import import ImportBatch


class ImportPath(Input):
    """Which import."""

    import_id: Id


class ImportQuery(Input):
    """How to read an upload."""

    format: FileFormat | None = Field(
        default=None, description="How the file is written; left out: as its media type or its name says"
    )
    on_error: OnError = Field(default=OnError.SKIP, description="Leave bad rows out, or stop before the first")


class ImportsQuery(Paging):
    """Which imports to list, and which page of them."""

    sort: Annotated[str, StringConstraints(pattern=r"^-?[a-z_]{1,40}$")] = Field(
        default="-id", description="Key to sort by; a leading `-` turns the order round"
    )
    status: Annotated[list[ImportStatus], Several] = Field(default=[], description="States to list; left out: all")

    def request(self) -> PageRequest:
        """Say it in the use cases' words."""
        return PageRequest(limit=self.limit, cursor=self.cursor, sort=self.sort)


class ImportFile(RawModel):
    """A file of tickets."""

    mimetypes: list[str] = ["text/csv", "application/x-ndjson", "multipart/form-data"]  # noqa: RUF012 - the base class has it so


class RowAnswer(Answer):
    """A row and its ticket."""

    line: int
    ticket_id: int
    outcome: Literal["created", "already_there"]


class RowErrorAnswer(Answer):
    """What is wrong with the row that begins on a line."""

    line: int
    message: str


class ImportAnswer(Answer):
    """What became of a small file: of every row."""

    imported: int
    already_there: int
    bad: int
    stopped: bool = Field(description="Whether rows after the last error were not read")
    rows: list[RowAnswer]
    errors: list[RowErrorAnswer]


class ImportJobAnswer(Answer):
    """How far the import of a large file has come."""

    id: int
    status: ImportStatus
    format: FileFormat
    on_error: OnError
    requested_by: int | None
    size_bytes: int
    lines: int = Field(description="Line ends in the file")
    line: int = Field(description="Rows that begin up to this line are dealt with")
    imported: int
    already_there: int
    bad: int
    errors: list[RowErrorAnswer] = Field(description=f"The first {KEPT_ERRORS} bad rows")
    error: str | None = Field(description="Why the import as a whole failed")
    requested_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class ImportPage(PageAnswer):
    """One page of imports."""

    items: list[ImportJobAnswer]


def result_json(batches: list[ImportBatch]) -> dict[str, Any]:
    """Describe a finished import, row by row."""
    rows = [row for batch in batches for row in batch.rows]
    errors = [error for batch in batches for error in batch.errors]
    new = sum(row.is_new for row in rows)
    return {
        "imported": new,
        "already_there": len(rows) - new,
        "bad": len(errors),
        "stopped": any(batch.stopped for batch in batches),
        "rows": [
            {
                "line": row.line,
                "ticket_id": row.ticket_id,
                "outcome": "created" if row.is_new else "already_there",
            }
            for row in rows
        ],
        "errors": _errors_json(errors),
    }


def job_json(job: ImportJob) -> dict[str, Any]:
    """Describe an import in the background."""
    return {
        "id": job.id,
        "status": job.status,
        "format": job.format,
        "on_error": job.on_error,
        "requested_by": job.requested_by,
        "size_bytes": job.size_bytes,
        "lines": job.lines,
        "line": job.line,
        "imported": job.imported,
        "already_there": job.already_there,
        "bad": job.bad,
        "errors": _errors_json(job.errors),
        "error": job.error,
        "requested_at": job.requested_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
    }


def _errors_json(errors: list[RowError] | tuple[RowError, ...]) -> list[dict[str, Any]]:
    return [{"line": error.line, "message": error.message} for error in errors]
