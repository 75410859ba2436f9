"""The archive, wired."""

from __future__ import annotations

import time

from sqlalchemy import Engine

from service.config import Settings
from service.store.archive import PostgresArchive
from service.usecases.archive import Archiving
from service.usecases.ports.reconcile import JobQueue


def wire_archiving(settings: Settings, background_engine: Engine, jobs: JobQueue) -> Archiving:
    """Wire what moves tickets away. It has patience, so it is given the engine for work in the background."""
    return Archiving(
        store=PostgresArchive(background_engine),
        jobs=jobs,
        after_days=settings.archive_after_days,
        keep_days=settings.archive_keep_days,
        clock=time.monotonic,
        sleep=time.sleep,
    )
