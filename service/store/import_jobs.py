"""Imports and their uploads: see `service.usecases.ports.imports.ImportStore` for what each method promises."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, RowMapping, Select, select, text
from sqlalchemy.dialects.postgresql import insert

from service.domain.errors import Conflict
from service.domain.model import Page
from service.store.engine import statement, transaction
from service.store.paging import keyset_page
from service.store.rows import MAX_BIGINT
from service.store.tables import import_parts, imports
from service.usecases.ports.imports import (
    KEPT_ERRORS,
    ImportJob,
    ImportMark,
    ImportRequest,
    ImportStatus,
    OnError,
)
from service.usecases.ports.paging import PageRequest
from service.usecases.ticket_files import FileFormat, RowError

_COLUMNS = tuple(column for column in imports.columns if column.name not in {"seen_at", "operation_id"})
_NAMES = ", ".join(column.name for column in _COLUMNS)

BEGIN = text(f"""
UPDATE imports
SET status = 'running', attempt = attempt + 1, started_at = coalesce(started_at, clock_timestamp()),
    seen_at = clock_timestamp()
WHERE id = :id
  AND (status = 'queued'
       OR (status = 'running'
           AND seen_at < clock_timestamp() - CAST(:silent_for_s AS double precision) * interval '1 second'))
RETURNING {_NAMES}
""")  # noqa: S608 - the columns are our own names

MARK = text(f"""
UPDATE imports
SET line = :line, imported = imported + :imported, already_there = already_there + :already_there, bad = bad + :bad,
    errors = jsonb_path_query_array(errors || CAST(:errors AS jsonb), '$[0 to {KEPT_ERRORS - 1}]'),
    seen_at = clock_timestamp()
WHERE id = :id AND attempt = :attempt AND status = 'running'
""")  # noqa: S608 - a number of our own

PAUSE = text("""
UPDATE imports SET status = 'queued', seen_at = clock_timestamp()
WHERE id = :id AND attempt = :attempt AND status = 'running'
""")

FINISH = text("""
UPDATE imports SET status = :status, error = :error, finished_at = clock_timestamp(), seen_at = clock_timestamp()
WHERE id = :id AND attempt = :attempt AND status = 'running'
""")

DROP_UPLOAD = text("DELETE FROM import_parts WHERE import_id = :id")

UNFINISHED = text(f"""
SELECT {_NAMES} FROM imports
WHERE status IN ('queued', 'running')
  AND seen_at < clock_timestamp() - CAST(:silent_for_s AS double precision) * interval '1 second'
ORDER BY id LIMIT 100
""")  # noqa: S608 - the columns are our own names


SORT_KEYS = {"id": imports.c.id, "requested_at": imports.c.requested_at}


class PostgresImports:
    """Keep imports in PostgreSQL, uploads included: a worker on another host finds them there."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def request(self, wanted: ImportRequest, parts: Iterable[bytes]) -> ImportJob:
        """Write the row and the parts in one transaction."""
        values = {
            "format": wanted.format.value,
            "on_error": wanted.on_error.value,
            "requested_by": wanted.requested_by,
            "size_bytes": wanted.size_bytes,
            "lines": wanted.lines,
            "operation_id": wanted.operation_id,
        }
        once = insert(imports).values(values).on_conflict_do_nothing().returning(*_COLUMNS)
        with transaction(self._engine) as connection:
            row = connection.execute(once).mappings().one_or_none()
            if row is None:  # only where there is an operation: its other try was faster
                return _job(connection.execute(_of(values["operation_id"])).mappings().one())
            for place, data in enumerate(parts):
                connection.execute(insert(import_parts).values(import_id=row["id"], place=place, data=data))
        return _job(row)

    def of_operation(self, operation_id: UUID) -> ImportJob | None:
        """Read it by the unique index."""
        with statement(self._engine) as connection:
            row = connection.execute(_of(operation_id)).mappings().one_or_none()
        return None if row is None else _job(row)

    def page(self, request: PageRequest, *, statuses: tuple[ImportStatus, ...]) -> Page[ImportJob]:
        """Read one page."""
        query = select(*_COLUMNS)
        if statuses:
            query = query.where(imports.c.status.in_([status.value for status in statuses]))
        with statement(self._engine) as connection:
            return keyset_page(
                connection,
                select=query,
                columns=SORT_KEYS,
                id_column=imports.c.id,
                request=request,
                build=lambda row: _job(row._mapping),
            )

    def get(self, import_id: int) -> ImportJob | None:
        """Read one row."""
        if not 1 <= import_id <= MAX_BIGINT:
            return None
        with statement(self._engine) as connection:
            row = connection.execute(select(*_COLUMNS).where(imports.c.id == import_id)).mappings().one_or_none()
        return None if row is None else _job(row)

    def part(self, import_id: int, place: int) -> bytes:
        """Read one part by the primary key."""
        query = select(import_parts.c.data).where(import_parts.c.import_id == import_id, import_parts.c.place == place)
        with statement(self._engine) as connection:
            found = connection.execute(query).scalar_one_or_none()
        return b"" if found is None else bytes(found)

    def begin(self, import_id: int, *, silent_for_s: float) -> ImportJob | None:
        """Raise the attempt, which stops whoever was at it."""
        with statement(self._engine) as connection:
            row = connection.execute(BEGIN, {"id": import_id, "silent_for_s": silent_for_s}).mappings().one_or_none()
        return None if row is None else _job(row)

    def pause(self, import_id: int, attempt: int) -> bool:
        """Put it back among those that wait."""
        with statement(self._engine) as connection:
            return connection.execute(PAUSE, {"id": import_id, "attempt": attempt}).rowcount == 1

    def finish(self, import_id: int, attempt: int, *, status: ImportStatus, error: str | None = None) -> bool:
        """Write the end, and drop the upload in the same transaction."""
        values = {"id": import_id, "attempt": attempt, "status": status.value, "error": error}
        with transaction(self._engine) as connection:
            finished = connection.execute(FINISH, values).rowcount == 1
            if finished:
                connection.execute(DROP_UPLOAD, {"id": import_id})
        return finished

    def unfinished(self, *, silent_for_s: float) -> list[ImportJob]:
        """Read a partial index, which is nearly always empty."""
        with statement(self._engine) as connection:
            return [_job(row) for row in connection.execute(UNFINISHED, {"silent_for_s": silent_for_s}).mappings()]


def _of(operation_id: object) -> Select[Any]:
    return select(*_COLUMNS).where(imports.c.operation_id == operation_id)


def mark(connection: Connection, wanted: ImportMark, *, imported: int, already_there: int) -> None:
    """Note, in a batch's own transaction, how far it brings the import. Raises `Conflict` if another goes on."""
    values = {
        "id": wanted.import_id,
        "attempt": wanted.attempt,
        "line": wanted.line,
        "imported": imported,
        "already_there": already_there,
        "bad": len(wanted.errors),
        "errors": json.dumps([[error.line, error.message] for error in wanted.errors[:KEPT_ERRORS]]),
    }
    if connection.execute(MARK, values).rowcount != 1:
        raise Conflict(f"Import {wanted.import_id} is carried on by another worker")


def _job(row: RowMapping) -> ImportJob:
    return ImportJob(
        **{
            **row,
            "format": FileFormat(row["format"]),
            "on_error": OnError(row["on_error"]),
            "status": ImportStatus(row["status"]),
            "errors": tuple(RowError(line, message) for line, message in row["errors"]),
        }
    )
