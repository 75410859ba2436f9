"""The arbiter, with the time its statements take; and how far the pools are used."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from sqlalchemy import Engine, QueuePool

from service.meters import Meters, PoolUse
from service.store.assignments import PostgresAssignments
from service.usecases.ports.tickets import Claimed


class MeasuredAssignments(PostgresAssignments):
    """Tell `meters` how long each decision took, waiting for a connection and failing included."""

    def __init__(self, engine: Engine, meters: Meters) -> None:
        super().__init__(engine)
        self._meters = meters

    def claim(self, **wanted: Any) -> Claimed:
        """Ask about popped tickets; see `PostgresAssignments.claim` for the arguments."""
        began = perf_counter()
        try:
            return super().claim(**wanted)
        finally:
            self._meters.commit(perf_counter() - began)

    def claim_oldest(self, **wanted: Any) -> Claimed:
        """Ask about the oldest tickets; see `PostgresAssignments.claim_oldest` for the arguments."""
        began = perf_counter()
        try:
            return super().claim_oldest(**wanted)
        finally:
            self._meters.commit_without_queue(perf_counter() - began)


def pool_use(engine: Engine) -> PoolUse:
    """Count an engine's connections."""
    pool = engine.pool
    if not isinstance(pool, QueuePool):
        return PoolUse(in_use=0, idle=0, most=0)
    return PoolUse(in_use=pool.checkedout(), idle=pool.checkedin(), most=pool.size() + pool._max_overflow)
