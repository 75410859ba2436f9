"""When which background work takes place. One process at a time keeps the clock, by a lease."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from service.usecases.ports.queue import QueueAudit, TicketQueue
from service.usecases.ports.reconcile import CLOCK, JobQueue, Lease, Leases, Tier
from service.usecases.reconciliations import JOB

log = logging.getLogger(__name__)

LEASE = "clock"
LEASE_TTL_S = 10.0
TICK_S = 1.0
"""Longest pause between two looks at the queue's state."""

MAX_URGENT_PAUSE_S = 30.0

IMPORTS_EVERY_S = 10.0
"""Pause between two looks for imports that nobody carries on."""

UNTRUSTED = "untrusted"
FAILOVER = "failover"


@dataclass(frozen=True, slots=True, kw_only=True)
class OnDemand:
    """A job for which there is not always something to do: `is_wanted` looks, by one cheap query, at every tick.

    It may raise `StoreUnavailable`.
    """

    job: str
    jobs: JobQueue
    is_wanted: Callable[[], bool]


def unique_id(tier: Tier) -> str:
    """Name the clock's job of a tier, of which there is one at a time."""
    return f"reconcile-{tier.value}"


class Schedule:
    """Enqueue fast and full runs in their turn, and a full one at once when the queue was lost or changed servers.

    `chores` are other jobs, by name, with the pause between two of each in seconds; those `on_demand` are enqueued when
    they are wanted. `looks` are calls made here that enqueue for themselves what they find to be needed, with the pause
    between two of each. `sample` keeps the figures of this minute and says for how long (s) they will do: it is no job,
    since figures matter most while Redis is away.
    """

    def __init__(
        self,
        *,
        queue: TicketQueue,
        audit: QueueAudit,
        jobs: JobQueue,
        leases: Leases,
        fast_s: float,
        full_s: float,
        chores: Mapping[str, float],
        holder: str,
        clock: Callable[[], float],
        resume_imports: Callable[[], None],
        sample: Callable[[], float],
        on_demand: Sequence[OnDemand] = (),
        looks: Sequence[tuple[Callable[[], object], float]] = (),
    ) -> None:
        self._queue = queue
        self._audit = audit
        self._jobs = jobs
        self._leases = leases
        self._every_s = {Tier.FAST: fast_s, Tier.FULL: full_s}
        self._holder = holder
        self._clock = clock
        self._resume_imports = resume_imports
        self._imports_due_at = clock()
        self._sample = sample
        self._sample_due_at = clock()
        self._looks = looks
        self._look_due_at = [clock()] * len(looks)
        self._lease: Lease | None = None
        self._renewed_at = 0.0
        self._due_at = dict.fromkeys(Tier, clock())
        self._chores = chores
        self._chore_due_at = dict.fromkeys(chores, clock())
        self._on_demand = on_demand
        self._asked_at = clock() - TICK_S
        self._identity: str | None = None
        self._failed_over = False
        """Another server was met, and no full run has been enqueued since."""
        self._urgent_pause_s = TICK_S
        self._urgent_at = clock()

    def tick(self) -> float:
        """Enqueue what is due and return how long to wait, in seconds.

        Raises `QueueUnavailable`, `StoreUnavailable`; nothing is lost by trying again later.
        """
        if not self._keep_lease():
            return TICK_S
        if self._clock() >= self._sample_due_at:  # before anything that needs Redis
            self._sample_due_at = self._clock() + self._sample()
        urgent = self._urgency()
        if urgent is not None:
            self._enqueue(Tier.FULL, urgent)
        for tier in Tier:
            if self._clock() >= self._due_at[tier]:
                self._enqueue(tier, CLOCK)
        if self._clock() >= self._imports_due_at:
            self._resume_imports()
            self._imports_due_at = self._clock() + IMPORTS_EVERY_S
        for job, pause_s in self._chores.items():
            if self._clock() >= self._chore_due_at[job]:
                self._jobs.enqueue(job, unique_id=job)
                self._chore_due_at[job] = self._clock() + pause_s
        self._enqueue_wanted()
        self._look_around()
        next_at = min(*self._due_at.values(), *self._chore_due_at.values())
        return max(0.0, min(TICK_S, next_at - self._clock()))

    def _enqueue_wanted(self) -> None:
        """Ask once a second at the most, however often the other turns come."""
        if self._clock() < self._asked_at + TICK_S:
            return
        self._asked_at = self._clock()
        for one in self._on_demand:
            if one.is_wanted():
                one.jobs.enqueue(one.job, unique_id=one.job)

    def _look_around(self) -> None:
        for number, (look, pause_s) in enumerate(self._looks):
            if self._clock() >= self._look_due_at[number]:
                look()
                self._look_due_at[number] = self._clock() + pause_s

    def close(self) -> None:
        """Let another process keep the clock. Raises `StoreUnavailable`."""
        if self._lease is not None:
            lease, self._lease = self._lease, None
            self._leases.release(lease)

    def _keep_lease(self) -> bool:
        now = self._clock()
        if self._lease is not None and now - self._renewed_at < LEASE_TTL_S / 3:
            return True
        if self._lease is None or not self._leases.renew(self._lease, ttl_s=LEASE_TTL_S):
            had, self._lease = self._lease, self._leases.acquire(LEASE, holder=self._holder, ttl_s=LEASE_TTL_S)
            if self._lease is not None or had is not None:
                log.info("clock_kept" if self._lease else "clock_lost", extra={"holder": self._holder})
        self._renewed_at = now
        return self._lease is not None

    def _urgency(self) -> str | None:
        """Say why a full run cannot wait, or None; ever less often while it does not help."""
        identity = self._audit.identity()
        self._failed_over |= self._identity is not None and identity != self._identity
        self._identity = identity
        if self._queue.is_trusted():
            self._urgent_pause_s = TICK_S
            self._urgent_at = self._clock()
            return FAILOVER if self._failed_over else None
        if self._clock() < self._urgent_at:
            return None
        self._urgent_at = self._clock() + self._urgent_pause_s
        self._urgent_pause_s = min(2 * self._urgent_pause_s, MAX_URGENT_PAUSE_S)
        return UNTRUSTED

    def _enqueue(self, tier: Tier, trigger: str) -> None:
        """Enqueue once: a run that is waiting or under way already is enough. The next turn counts from now.

        Not enough after a failover: what is under way may have looked at the server before, so only a run accepted
        after it counts.
        """
        enqueued = self._jobs.enqueue(JOB, tier.value, trigger, unique_id=unique_id(tier))
        self._due_at[tier] = self._clock() + self._every_s[tier]
        if tier is Tier.FULL and enqueued:
            self._failed_over = False
        if trigger != CLOCK and enqueued:
            log.warning("full_reconciliation_at_once", extra={"why": trigger})
