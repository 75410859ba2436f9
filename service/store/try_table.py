"""The table of tries at passwords: see migration 0017."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, LargeBinary, Table

from service.store.schema import metadata, timestamp

password_tries = Table(
    "password_tries",
    metadata,
    Column("key", LargeBinary, primary_key=True),
    Column("whole_at", DateTime(timezone=True), nullable=False),
    timestamp("known_until"),
)
