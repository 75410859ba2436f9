"""The tables of what has been checked and done: one row for each check, run or lease."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Identity, Index, Integer, Table, Text, text

from service.store.schema import metadata, timestamp

invariant_checks = Table(
    "invariant_checks",
    metadata,
    Column("code", Text, primary_key=True),
    Column("ok", Boolean),
    Column("violations", BigInteger, nullable=False),
    timestamp("checked_at", now=True),
)

dispatches = Table(
    "dispatches",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("trigger", Text, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    timestamp("finished_at", now=True),
    Column("rounds", Integer, nullable=False),
    Column("agents", Integer, nullable=False),
    Column("dispatched", BigInteger, nullable=False),
    Column("refused", Integer, nullable=False),
    Column("wait_ms_total", BigInteger, nullable=False),
    Column("wait_ms_longest", BigInteger, nullable=False),
    Column("ended", Text, nullable=False),
)
Index("dispatches_finished_at_idx", dispatches.c.finished_at)

leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("token", BigInteger, nullable=False, server_default=text("1")),
    Column("expires_at", DateTime(timezone=True), nullable=False),
)
