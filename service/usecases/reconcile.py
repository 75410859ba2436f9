"""The reconciler: bring the queue back in line with PostgreSQL, one run at a time."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from uuid import uuid4

from service.domain.errors import FairdealError, NotFound, StoreUnavailable
from service.usecases.ports.queue import QueueAudit, TicketQueue
from service.usecases.ports.reconcile import (
    CLOCK,
    AuditedTickets,
    Lease,
    Leases,
    Outcome,
    Progress,
    Reconciliation,
    ReconciliationStore,
    RunRequest,
    RunStatus,
    Tier,
)
from service.usecases.reconciliation.comparison import Comparison
from service.usecases.reconciliation.hands import Hands
from service.usecases.reconciliation.rebuild import Rebuild
from service.usecases.reconciliation.repair import Repair
from service.usecases.reconciliation.run import LEASE, LEASE_TTL_S, Run
from service.usecases.reconciliation.second_look import SecondLook
from service.usecases.reconciliation.settlement import Settlement
from service.usecases.reconciliation.stale_claims import StaleClaims
from service.usecases.reconciliation.tiers import FastTier, FullTier

log = logging.getLogger(__name__)

ESCALATED = "fast run"
"""The trigger of a full run that a fast one found necessary."""

DAY_S = 24 * 3600.0
KEEP_RUNS_S = 30 * DAY_S
KEEP_CLAIMS_S = 7 * DAY_S
PRUNED_AT_ONCE = 5_000
LOST_JOB_S = 600.0
"""A requested run that no worker took up within this time will not take place."""

FOLD_WITHIN_S = 60.0
"""Runs of the clock that say the same as the one before share a row for this long."""

FAST_CONFIRM_S = 0.5
"""The fast tier's candidates are older than the grace as it is: with a longer second wait, what a dead process did not
queue took 6 s to be queued, measured over nine tickets; with this one less than 5."""

PATIENCE_S = 5.0
"""How long a run that somebody waits for tries to get the lease from another one."""


class Reconciler:
    """Compare the queue with PostgreSQL and repair what differs."""

    def __init__(
        self,
        *,
        queue: TicketQueue,
        audit: QueueAudit,
        open_tickets: AuditedTickets,
        runs: ReconciliationStore,
        leases: Leases,
        claim_lease_s: float,
        confirm_after_s: float = 2.0,
        grace_s: float = 1.5,
        recent_s: float = 20.0,
        margin_s: float = 15.0,
        page_size: int = 5_000,
        holder: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Wire the duties.

        `claim_lease_s`: age of a claim that nobody will settle. `confirm_after_s`: wait before candidates are looked at
        again. `grace_s`: age below which a ticket's writer may be about to queue it. `recent_s`: how far back the fast
        tier looks. `margin_s`: longest time from a transaction's start to its commit. `holder` names this process in
        the lease.
        """
        self._queue = queue
        self._runs = runs
        self._leases = leases
        self._holder = holder or f"{socket.gethostname()}/{os.getpid()}/{uuid4().hex[:8]}"
        self._clock = clock
        self._sleep = sleep
        second_look = SecondLook(audit=audit, open_tickets=open_tickets, grace_s=grace_s)
        repair = Repair(audit=audit, open_tickets=open_tickets)
        rebuild = Rebuild(queue=queue, audit=audit, open_tickets=open_tickets, page_size=page_size, margin_s=margin_s)
        settlement = Settlement(queue=queue, audit=audit, second_look=second_look, repair=repair, rebuild=rebuild)
        stale_claims = StaleClaims(queue=queue, audit=audit, open_tickets=open_tickets, lease_s=claim_lease_s)
        fast = FastTier(
            queue=queue,
            audit=audit,
            open_tickets=open_tickets,
            stale_claims=stale_claims,
            second_look=second_look,
            settlement=settlement,
            grace_s=grace_s,
            recent_s=recent_s,
            confirm_after_s=min(confirm_after_s, FAST_CONFIRM_S),
        )
        full = FullTier(
            queue=queue,
            audit=audit,
            comparison=Comparison(audit=audit, open_tickets=open_tickets, grace_s=grace_s, page_size=page_size),
            settlement=settlement,
            rebuild=rebuild,
            stale_claims=stale_claims,
            hands=Hands(queue=queue, audit=audit, open_tickets=open_tickets, grace_s=grace_s),
            confirm_after_s=confirm_after_s,
        )
        self._checks: dict[Tier, Callable[[Run], None]] = {Tier.FAST: fast.check, Tier.FULL: full.check}

    def run(
        self,
        *,
        tier: Tier,
        trigger: str,
        dry_run: bool = False,
        requested_by: int | None = None,
        run_id: int | None = None,
        progress: Progress | None = None,
        step_back: Callable[[], None] = lambda: None,
    ) -> Reconciliation:
        """Run once and return the record.

        With the `run_id` of a run that was requested, that one takes place, as it was requested, and only once however
        often it is asked for. A run that finds another one at work is recorded as skipped; one that fails, with what
        was wrong. A fast run that found more than it can mend is followed by a full one. Raises `StoreUnavailable` when
        PostgreSQL cannot be asked at all, `NotFound` for an unknown `run_id`.

        `step_back` is called before long work that nobody waits for: a full run on a queue that serves.
        """
        wanted = RunRequest(tier=Tier(tier), trigger=trigger, dry_run=dry_run, requested_by=requested_by)
        if run_id is not None:
            requested = self._runs.get(run_id)
            if requested is None:
                raise NotFound(f"There is no reconciliation {run_id}")
            if requested.status is not RunStatus.QUEUED:
                return requested
            wanted = _request(requested)
        record, needs_full = self._run(wanted, run_id, progress, step_back)
        _tell(record)
        if needs_full:
            self.run(tier=Tier.FULL, trigger=ESCALATED, progress=progress, step_back=step_back)
        return record

    def _run(
        self, wanted: RunRequest, run_id: int | None, progress: Progress | None, step_back: Callable[[], None]
    ) -> tuple[Reconciliation, bool]:
        started = self._clock()
        with self._lease(wanted) as lease:
            run_id = self._begin(wanted, run_id)
            if lease is None:
                outcome = Outcome(status=RunStatus.SKIPPED, error=f"Held by {self._leases.holder(LEASE)}")
                return self._note(wanted, run_id, outcome, started), False
            if wanted.tier is Tier.FULL and not wanted.dry_run:
                self._runs.fail_abandoned(besides=run_id, waiting_longer_than_s=LOST_JOB_S)
            run = Run(
                lease=lease,
                leases=self._leases,
                dry_run=wanted.dry_run,
                clock=self._clock,
                sleep=self._sleep,
                progress=progress,
            )
            try:
                outcome = self._check(wanted, run, step_back)
            except Exception as exc:
                self._note(wanted, run_id, run.tally.outcome(RunStatus.FAILED, type(exc).__name__), started)
                raise
            return self._note(wanted, run_id, outcome, started), run.needs_full

    def _check(self, wanted: RunRequest, run: Run, step_back: Callable[[], None]) -> Outcome:
        try:
            if wanted.tier is Tier.FULL and self._queue.is_trusted():
                step_back()
            self._checks[wanted.tier](run)
            if wanted.tier is Tier.FULL and not wanted.dry_run:
                self._runs.prune(runs_older_than_s=KEEP_RUNS_S, claims_older_than_s=KEEP_CLAIMS_S, limit=PRUNED_AT_ONCE)
        except FairdealError as exc:
            return run.tally.outcome(RunStatus.FAILED, exc.detail)
        return run.tally.outcome(RunStatus.DONE)

    @contextlib.contextmanager
    def _lease(self, wanted: RunRequest) -> Iterator[Lease | None]:
        """Lend the lease, or None; a run that will not come again by itself soon is given a few tries."""
        patience_s = 0.0 if _comes_often(wanted) else PATIENCE_S
        until = self._clock() + patience_s
        while (lease := self._leases.acquire(LEASE, holder=self._holder, ttl_s=LEASE_TTL_S)) is None:
            if self._clock() >= until:
                break
            self._sleep(0.1)
        try:
            yield lease
        finally:
            if lease is not None:
                with contextlib.suppress(StoreUnavailable):  # it runs out by itself
                    self._leases.release(lease)

    def _begin(self, wanted: RunRequest, run_id: int | None) -> int | None:
        """Note that a run begins; those that come often are noted at their end."""
        if run_id is not None:
            self._runs.begin_requested(run_id)
            return run_id
        return None if _comes_often(wanted) else self._runs.begin(wanted).id

    def _note(self, wanted: RunRequest, run_id: int | None, outcome: Outcome, started: float) -> Reconciliation:
        if run_id is not None:
            return self._runs.finish(run_id, outcome)
        return self._runs.record(wanted, outcome, duration_s=self._clock() - started, fold_within_s=FOLD_WITHIN_S)


def _comes_often(wanted: RunRequest) -> bool:
    return wanted.trigger == CLOCK and wanted.tier is Tier.FAST


def _request(record: Reconciliation) -> RunRequest:
    return RunRequest(
        tier=record.tier, trigger=record.trigger, dry_run=record.dry_run, requested_by=record.requested_by
    )


def _tell(record: Reconciliation) -> None:
    noteworthy = record.status is not RunStatus.DONE or record.confirmed
    level = logging.WARNING if record.status is RunStatus.FAILED or record.confirmed else logging.INFO
    log.log(
        level if noteworthy or record.trigger != CLOCK else logging.DEBUG,
        "reconciled",
        extra={
            "run_id": record.id,
            "tier": record.tier.value,
            "trigger": record.trigger,
            "dry_run": record.dry_run,
            "status": record.status.value,
            "found": dict(record.found),
            "confirmed": dict(record.confirmed),
            "repaired": dict(record.repaired),
            "rows_compared": record.rows_compared,
            "error": record.error,
        },
    )
