"""Backups, wired on a connection of their own, which waits as long as it takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from service import __version__
from service.config import Settings
from service.store.backup import PostgresBackup
from service.store.engine import make_engine
from service.usecases.backup import Backups


@contextmanager
def backups(settings: Settings) -> Iterator[Backups]:
    """Lend the means to write and read backups."""
    engine = make_engine(
        settings.database_url,
        statement_timeout_ms=60_000,
        pool_size=1,
        application_name="fairdeal-backup",
        watched=False,  # a table may take longer than any statement of a request
    )
    try:
        yield Backups(store=PostgresBackup(engine), version=__version__, now=lambda: datetime.now(UTC))
    finally:
        engine.dispose()
