"""The tables of imports."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Identity, Index, Integer, LargeBinary, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from service.store.schema import metadata, one_of, timestamp

imports = Table(
    "imports",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("format", Text, nullable=False),
    Column("on_error", Text, nullable=False),
    Column("status", Text, nullable=False, server_default="queued"),
    Column("requested_by", BigInteger, ForeignKey("users.id")),
    Column("size_bytes", BigInteger, nullable=False),
    Column("lines", BigInteger, nullable=False),
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    Column("line", BigInteger, nullable=False, server_default=text("0")),
    Column("imported", BigInteger, nullable=False, server_default=text("0")),
    Column("already_there", BigInteger, nullable=False, server_default=text("0")),
    Column("bad", BigInteger, nullable=False, server_default=text("0")),
    Column("errors", JSONB, nullable=False, server_default=text("'[]'")),
    Column("error", Text),
    timestamp("requested_at", now=True),
    timestamp("started_at"),
    timestamp("seen_at", now=True),
    timestamp("finished_at"),
    Column("operation_id", Uuid),
    one_of("format", "csv", "ndjson"),
    one_of("on_error", "skip", "abort"),
    one_of("status", "queued", "running", "done", "stopped", "failed"),
)
Index("imports_operation_key", imports.c.operation_id, unique=True, postgresql_where=text("operation_id IS NOT NULL"))
Index("imports_unfinished_idx", imports.c.id, postgresql_where=text("status IN ('queued', 'running')"))

import_parts = Table(
    "import_parts",
    metadata,
    Column("import_id", BigInteger, ForeignKey("imports.id"), primary_key=True, autoincrement=False),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)
