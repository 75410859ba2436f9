"""Imports and their uploads: see `service.usecases.ports.imports.ImportStore` for what each method promises."""

from __future__ import annotations

import json
from collections.abc import Iterable

from sqlalchemy import Connection, Engine, RowMapping, insert, select, text

from service.domain.errors import Conflict
from service.store.engine import statement, transaction
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
from service.usecases.ticket_files import FileFormat, RowError

_COLUMNS = tuple(column for column in imports.columns if column.name != "seen_at")
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
        }
        with transaction(self._engine) as connection:
            row = connection.execute(insert(imports).values(values).returning(*_COLUMNS)).mappings().one()
            for place, data in enumerate(parts):
                connection.execute(insert(import_parts).values(import_id=row["id"], place=place, data=data))
        return _job(row)

    def get(self, import_id: int) -> ImportJob | None:
        """Read one row."""
        if not 1 <= import_id <= MAX_BIGINT:
            return None
        with statement(self._engine) as connection:
            row = connection.execute(select(*_COLUMNS).where(imports.c.id == import_id)).mappings().one_or_none()
        return None if row is None else _job(row)

    def latest(self, count: int) -> list[ImportJob]:
        """Read the newest rows by the primary key."""
        query = select(*_COLUMNS).order_by(imports.c.id.desc()).limit(count)
        with statement(self._engine) as connection:
            return [_job(row) for row in connection.execute(query).mappings()]

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
