"""Health: whether every part the service stands on is there, and whether it can serve."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from service.domain.errors import FairdealError
from service.usecases.ports.health import SchemaState, StoreProbe
from service.usecases.ports.queue import TicketQueue


class HealthStatus(StrEnum):
    """`degraded` serves from PostgreSQL alone, slower; `down` cannot serve."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthPart:
    """One part: whether it works, what is wrong with it (empty when nothing is), and how long the answer took."""

    ok: bool
    detail: str
    ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthReport:
    """The whole: `parts` are postgresql, schema and redis."""

    status: HealthStatus
    parts: Mapping[str, HealthPart]


class Health:
    """Try the parts the way a request would use them."""

    def __init__(
        self, *, store: StoreProbe, queue: TicketQueue, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._store = store
        self._queue = queue
        self._clock = clock

    def check(self) -> HealthReport:
        """Ask PostgreSQL a trivial query and its revision, and Redis for a claim that takes nothing.

        A part that is away is reported, not raised.
        """
        postgresql = self._try(self._store.ping)
        schema = self._try(self._check_schema) if postgresql.ok else _unknown("PostgreSQL is away")
        redis = self._try(self._queue.probe)
        status = HealthStatus.OK if redis.ok else HealthStatus.DEGRADED
        if not (postgresql.ok and schema.ok):
            status = HealthStatus.DOWN
        return HealthReport(status=status, parts={"postgresql": postgresql, "schema": schema, "redis": redis})

    def _try(self, attempt: Callable[[], None]) -> HealthPart:
        began = self._clock()
        detail = ""
        try:
            attempt()
        except FairdealError as exc:
            detail = exc.detail
        return HealthPart(ok=not detail, detail=detail, ms=round((self._clock() - began) * 1000, 2))

    def _check_schema(self) -> None:
        state = self._store.schema()
        if not state.fits:
            raise SchemaBehind(state)


class SchemaBehind(FairdealError):
    """The schema is not migrated to what this code needs."""

    code = "schema_behind"

    def __init__(self, state: SchemaState) -> None:
        present = f"at revision {state.present}" if state.present else "not there"
        super().__init__(f"The schema is {present}, this code needs {state.head}: run `fairdeal db upgrade`")


def _unknown(why: str) -> HealthPart:
    return HealthPart(ok=False, detail=why, ms=0.0)
