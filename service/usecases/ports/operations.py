"""What the operators' page needs: figures over time, what goes on just now, and the background jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from service.domain.model import Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How things stand, to be kept with what has happened since the last one. `claims` is None while Redis is away."""

    open: Mapping[Priority, int]
    oldest_open_s: float | None
    claims: int | None
    is_degraded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """A stretch of time in figures: means of what stood, the worst age and claims, and what happened, each minute.

    The rates are None where nothing was counted; `found` and `repaired` count drift by kind.
    """

    at: datetime
    open: Mapping[Priority, float]
    oldest_open_s: float | None
    held: float
    capacity: float
    claims: int | None
    is_degraded: bool
    created: float | None
    assigned: float | None
    sold: float | None
    resolved: float | None
    returned: float | None
    found: Mapping[str, int] = field(default_factory=dict)
    repaired: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What has happened in the last minute."""

    created: int
    assigned: int
    sold: int
    resolved: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadStep:
    """How many active agents hold exactly `held` tickets, by whether they are available."""

    held: int
    available: int
    away: int


class SampleStore(Protocol):
    """Figures over time. Every method may raise `StoreUnavailable`."""

    def keep(self, reading: Reading) -> float:
        """Keep this minute's sample, unless there is one; return the seconds until the next is due."""

    def thin(self) -> None:
        """Make hours of the minutes that are older than a day, and remove the hours of long ago."""

    def buckets(self, *, last_s: int, bucket_s: int) -> Sequence[Bucket]:
        """Read the last `last_s` seconds in buckets of `bucket_s`, the oldest first; empty ones are left out."""

    def moment(self) -> datetime:
        """Read PostgreSQL's clock."""

    def pace(self) -> Pace:
        """Count what has happened in the last minute."""

    def loads(self) -> Sequence[LoadStep]:
        """Count active agents by what they hold, the least loaded first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerState:
    """One RQ worker: whose jobs it does, what it does just now, and when it was last heard of."""

    name: str
    lane: str
    state: str
    job: str | None
    heard_at: datetime | None
    since: datetime | None
    done: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedJob:
    """A job that ended in an error; it is forgotten a day later."""

    id: str
    lane: str
    name: str
    arguments: tuple[str, ...]
    enqueued_at: datetime | None
    failed_at: datetime | None
    error: str

    @property
    def summary(self) -> str:
        """The last line of the error, which says what it was."""
        lines = [line for line in self.error.splitlines() if line.strip()]
        return lines[-1].strip() if lines else "No error was kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneState:
    """One RQ queue: its jobs that wait, run, and have failed, and how long the next one has waited."""

    lane: str
    waiting: int
    running: int
    failed: int
    oldest_waiting_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsState:
    """The background work: its workers and its queues."""

    workers: tuple[WorkerState, ...]
    lanes: tuple[LaneState, ...]

    @property
    def failed(self) -> int:
        """The failed jobs of all queues."""
        return sum(lane.failed for lane in self.lanes)

    @property
    def unattended(self) -> tuple[str, ...]:
        """The queues that no worker serves."""
        served = {worker.lane for worker in self.workers}
        return tuple(lane.lane for lane in self.lanes if lane.lane not in served)


class JobWatch(Protocol):
    """Background jobs as an operator sees them. Every method may raise `QueueUnavailable`."""

    def state(self) -> JobsState:
        """Count the jobs and list the workers."""

    def failures(self, *, limit: int) -> Sequence[FailedJob]:
        """List the jobs that failed, the newest first."""

    def failure(self, job_id: str) -> FailedJob | None:
        """Read one failed job; None when it is not among them (any more)."""

    def requeue(self, job_id: str) -> bool:
        """Let a failed job run again; False when it is not among the failed ones."""

    def forget(self, job_id: str) -> bool:
        """Remove a failed job; False when it is not among the failed ones."""
