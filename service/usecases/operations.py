"""What operators watch: how the service does now and how it did, its background jobs, and whether it is degraded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial

from service.domain.errors import NotFound, QueueUnavailable
from service.domain.model import Priority
from service.usecases.health import Health, HealthReport
from service.usecases.ports.operations import Bucket, FailedJob, JobsState, JobWatch, LoadStep, Pace, SampleStore
from service.usecases.ports.queue import TicketQueue
from service.usecases.ports.reconcile import Leases
from service.usecases.queue_stats import QueueState, QueueStats
from service.usecases.recent import Recent
from service.usecases.reconciliation.schedule import LEASE

SHARED_S = 3.0
"""How long all who look see the same figures, s."""

HISTORY_SHARED_S = 15.0
MODE_SHARED_S = 5.0
MOST_FAILURES = 50


class Mode(StrEnum):
    """How tickets are dealt just now."""

    NORMAL = "normal"
    WITHOUT_QUEUE = "without_queue"
    """Redis does not answer: PostgreSQL deals alone."""
    REBUILDING = "rebuilding"
    """The queue was lost: PostgreSQL deals alone until it has been built anew."""


class Span(StrEnum):
    """How far back a chart goes."""

    HOUR = "1h"
    SIX_HOURS = "6h"
    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"
    QUARTER = "90d"


_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
SECONDS = {
    Span.HOUR: (_HOUR, _MINUTE),
    Span.SIX_HOURS: (6 * _HOUR, 5 * _MINUTE),
    Span.DAY: (_DAY, 15 * _MINUTE),
    Span.WEEK: (7 * _DAY, 2 * _HOUR),
    Span.MONTH: (30 * _DAY, 6 * _HOUR),
    Span.QUARTER: (90 * _DAY, _DAY),
}
"""The length of each span and of its buckets, s: some hundred points at the most, as many as can be told apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One bucket of a span; None where no sample was taken."""

    at: datetime
    bucket: Bucket | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A span in points, the oldest first, without holes."""

    span: Span
    bucket_s: int
    points: tuple[Point, ...]

    @property
    def is_empty(self) -> bool:
        """Say whether there is nothing to show yet."""
        return all(point.bucket is None for point in self.points)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The service at one moment. `jobs` is None while Redis is away, `clock` while nobody keeps the clock."""

    at: datetime
    queue: QueueState
    pace: Pace
    loads: tuple[LoadStep, ...]
    health: HealthReport
    jobs: JobsState | None
    clock: str | None

    @property
    def held(self) -> int:
        """The tickets in all hands together."""
        return sum(step.held * (step.available + step.away) for step in self.loads)

    @property
    def oldest_open_at(self) -> datetime | None:
        """Since when the ticket has been open that has waited longest."""
        return min(self.waiting_since.values(), default=None)

    @property
    def waiting_since(self) -> dict[Priority, datetime]:
        """The same for each priority of which a ticket is open."""
        return {priority: self.at - timedelta(seconds=age_s) for priority, age_s in self.queue.waited_s.items()}


class Operations:
    """Read figures for operators. Whoever looks within some seconds of another sees what that one saw."""

    def __init__(
        self,
        *,
        stats: QueueStats,
        health: Health,
        samples: SampleStore,
        jobs: JobWatch,
        leases: Leases,
        queue: TicketQueue,
        clock: Callable[[], float],
    ) -> None:
        self._stats = stats
        self._health = health
        self._samples = samples
        self._jobs = jobs
        self._leases = leases
        self._queue = queue
        self._overview = Recent(self._read_overview, for_s=SHARED_S, clock=clock)
        self._mode = Recent(self._read_mode, for_s=MODE_SHARED_S, clock=clock)
        self._courses = {
            span: Recent(partial(self._read_course, span), for_s=HISTORY_SHARED_S, clock=clock) for span in Span
        }

    def overview(self) -> Overview:
        """Read how things stand. Raises `StoreUnavailable`; Redis may be away."""
        return self._overview.get()

    def course(self, span: Span) -> Course:
        """Read how things went. Raises `StoreUnavailable`."""
        return self._courses[span].get()

    def mode(self) -> Mode:
        """Say how tickets are dealt just now. Never raises, and seldom asks: every page shows it."""
        return self._mode.get()

    def failures(self) -> Sequence[FailedJob]:
        """List the background jobs that failed, the newest first. Raises `QueueUnavailable`."""
        return self._jobs.failures(limit=MOST_FAILURES)

    def failure(self, job_id: str) -> FailedJob:
        """Read one of them. Raises `NotFound`, `QueueUnavailable`."""
        found = self._jobs.failure(job_id)
        if found is None:
            raise _not_failed(job_id)
        return found

    def requeue(self, job_id: str) -> None:
        """Let a failed job run again. Raises `NotFound`, `QueueUnavailable`."""
        if not self._jobs.requeue(job_id):
            raise _not_failed(job_id)
        self._overview.forget()

    def forget(self, job_id: str) -> None:
        """Remove a failed job. Raises `NotFound`, `QueueUnavailable`."""
        if not self._jobs.forget(job_id):
            raise _not_failed(job_id)
        self._overview.forget()

    def _read_overview(self) -> Overview:
        jobs: JobsState | None = None
        with suppress(QueueUnavailable):
            jobs = self._jobs.state()
        return Overview(
            at=self._samples.moment(),
            queue=self._stats.read(),
            pace=self._samples.pace(),
            loads=tuple(self._samples.loads()),
            health=self._health.check(),
            jobs=jobs,
            clock=self._leases.holder(LEASE),
        )

    def _read_mode(self) -> Mode:
        try:
            return Mode.NORMAL if self._queue.is_trusted() else Mode.REBUILDING
        except QueueUnavailable:
            return Mode.WITHOUT_QUEUE

    def _read_course(self, span: Span) -> Course:
        last_s, bucket_s = SECONDS[span]
        found = {bucket.at: bucket for bucket in self._samples.buckets(last_s=last_s, bucket_s=bucket_s)}
        end = int(self._samples.moment().timestamp()) // bucket_s * bucket_s
        moments = (datetime.fromtimestamp(at, UTC) for at in range(end - last_s + bucket_s, end + 1, bucket_s))
        return Course(
            span=span,
            bucket_s=bucket_s,
            points=tuple(Point(at=moment, bucket=found.get(moment)) for moment in moments),
        )


def _not_failed(job_id: str) -> NotFound:
    return NotFound(f"There is no failed job {job_id}; it may have been started again or removed meanwhile")
