"""What the reconciler needs beside the queue: its leases, its records, the open tickets, and the jobs that start it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from service.domain.model import Page, Priority
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.tickets import OpenTickets


class Tier(StrEnum):
    """How much a run looks at: what is recent, or everything."""

    FAST = "fast"
    FULL = "full"


class RunStatus(StrEnum):
    """Where a run stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


class Drift(StrEnum):
    """Name the ways in which the queue may differ from PostgreSQL."""

    MISSING = "missing"
    """Open, but neither queued nor in a claim."""
    PHANTOM = "phantom"
    """Queued, but not open."""
    DUPLICATE = "duplicate"
    """Queued more than once."""
    OUT_OF_ORDER = "out_of_order"
    """Queued in the wrong place, or in the queue of another priority."""
    STALE_CLAIM = "stale_claim"
    """A claim older than the lease."""
    WRONG_HELD = "wrong_held"
    """An agent whose held set is not what the agent holds."""
    POISON = "poison"
    """An entry that is no id, or a key of the wrong type."""
    UNTRUSTED = "untrusted"
    """The queue was flushed, or is new (seen, not repaired)."""
    REBUILT = "rebuilt"
    """The queue was built anew from PostgreSQL."""


CLOCK = "clock"
"""The trigger of runs that come by themselves; those that found nothing share a row with their like."""

Progress = Callable[[str, int], None]
"""Told which step a run is at, and how many rows it has compared so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended. The mappings count by `Drift`; zeros are left out."""

    status: RunStatus
    found: Mapping[str, int] = field(default_factory=dict)
    confirmed: Mapping[str, int] = field(default_factory=dict)
    repaired: Mapping[str, int] = field(default_factory=dict)
    false_candidates: Mapping[str, int] = field(default_factory=dict)
    rows_compared: int = 0
    oldest_drift_ms: int | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """One run of the reconciler, as recorded."""

    id: int
    tier: Tier
    trigger: str
    dry_run: bool
    status: RunStatus
    requested_by: int | None
    requested_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    found: Mapping[str, int]
    confirmed: Mapping[str, int]
    repaired: Mapping[str, int]
    false_candidates: Mapping[str, int]
    rows_compared: int
    oldest_drift_ms: int | None
    error: str | None

    @property
    def repair_ms(self) -> int | None:
        """The time from the first look to the last repair; None where nothing was repaired."""
        if not self.repaired or self.started_at is None or self.finished_at is None:
            return None
        return int((self.finished_at - self.started_at).total_seconds() * 1_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """Ask for one run: what it shall do, and on whose behalf."""

    tier: Tier
    trigger: str
    dry_run: bool = False
    requested_by: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs to list; an empty filter means all."""

    tiers: tuple[Tier, ...] = ()
    statuses: tuple[RunStatus, ...] = ()


class ReconciliationStore(Protocol):
    """The records of the runs. Every method may raise `StoreUnavailable`."""

    def request(self, wanted: RunRequest) -> Reconciliation:
        """Note a run that shall take place."""

    def begin(self, wanted: RunRequest) -> Reconciliation:
        """Note a run that begins now."""

    def begin_requested(self, run_id: int) -> bool:
        """Begin a run noted before; False when there is none waiting under this id."""

    def finish(self, run_id: int, outcome: Outcome) -> Reconciliation:
        """Note how a run ended."""

    def record(
        self, wanted: RunRequest, outcome: Outcome, *, duration_s: float, fold_within_s: float
    ) -> Reconciliation:
        """Note a run that has ended; in the newest row if that says the same and began within `fold_within_s`."""

    def get(self, run_id: int) -> Reconciliation | None:
        """Read one run."""

    def page(self, wanted: RunFilter, request: PageRequest) -> Page[Reconciliation]:
        """List runs by keyset. Raises `InvalidInput` for a cursor or sort key that is not ours."""

    def fail_abandoned(self, *, besides: int | None, waiting_longer_than_s: float) -> int:
        """Mark runs as failed whose process died or whose job got lost; only the holder of the lease may say so."""

    def prune(self, *, runs_older_than_s: float, claims_older_than_s: float, limit: int) -> int:
        """Remove old runs and claims, and keys and sessions over for as long as claims are kept, and count them.

        At most `limit` of each. A session that is missing is answered like one that is over.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A right that one holder has for a while. `token` rises whenever the lease changes hands."""

    name: str
    holder: str
    token: int


class Leases(Protocol):
    """Leases by PostgreSQL's clock. Every method may raise `StoreUnavailable`."""

    def acquire(self, name: str, *, holder: str, ttl_s: float) -> Lease | None:
        """Take a lease that is free or has run out; None while somebody has it."""

    def renew(self, lease: Lease, *, ttl_s: float) -> bool:
        """Keep a lease for another `ttl_s`; False when it has been lost."""

    def release(self, lease: Lease) -> None:
        """Give a lease up, unless it has been lost."""

    def holder(self, name: str) -> str | None:
        """Name who has a lease now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTicket:
    """An open ticket as it stands now; `age_s` since its last change, by PostgreSQL's clock."""

    id: int
    priority: Priority
    epoch: int
    age_s: float


class AuditedTickets(OpenTickets, Protocol):
    """The open tickets in the detail the reconciler needs."""

    def moment(self) -> datetime:
        """Read PostgreSQL's clock."""

    def changed_since(self, ids: Sequence[int], since: datetime) -> frozenset[int]:
        """Name those of the ids whose tickets, open or not, were changed at `since` or later."""

    def open_states(self, ids: Sequence[int]) -> dict[int, OpenTicket]:
        """Describe those of the ids that are open now."""

    def changed_pages(
        self, *, within_s: float, older_than_s: float, size: int, newest_first: bool = False
    ) -> Iterator[dict[Priority, list[int]]]:
        """Yield the open tickets last changed between `within_s` and `older_than_s` seconds ago, `size` at a time.

        The first to change come first, or the last to change; within a page, the ids of each priority come ascending.
        """

    def held_by_each(self, agent_ids: Sequence[int]) -> dict[int, frozenset[int]]:
        """Read what each of the agents holds; agents who hold nothing are left out."""


class JobQueue(Protocol):
    """Background work. Jobs are named by string: the service knows nothing of the workers."""

    def enqueue(self, name: str, *args: str | int | bool | None, unique_id: str | None = None) -> bool:
        """Hand a job to the workers; False when one with this `unique_id` is waiting or running already.

        Raises `QueueUnavailable`.
        """
