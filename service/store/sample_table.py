"""The table of figures over time: see migration 0015."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Double, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from service.store.schema import metadata, one_of

samples = Table(
    "samples",
    metadata,
    Column("grain", Text, primary_key=True),
    Column("at", DateTime(timezone=True), primary_key=True),
    Column("span_s", Double, nullable=False),
    Column("flows_until", DateTime(timezone=True), nullable=False),
    Column("open_high", BigInteger, nullable=False),
    Column("open_medium", BigInteger, nullable=False),
    Column("open_low", BigInteger, nullable=False),
    Column("oldest_open_s", Double),
    Column("held", BigInteger, nullable=False),
    Column("capacity", BigInteger, nullable=False),
    Column("claims", Integer),
    Column("is_degraded", Boolean, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("assigned", BigInteger, nullable=False),
    Column("sold", BigInteger, nullable=False),
    Column("resolved", BigInteger, nullable=False),
    Column("returned", BigInteger, nullable=False),
    Column("found", JSONB, nullable=False, server_default=text("'{}'")),
    Column("repaired", JSONB, nullable=False, server_default=text("'{}'")),
    one_of("grain", "minute", "hour"),
)
