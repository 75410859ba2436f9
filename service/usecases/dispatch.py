"""Dispatch: agents who wish it are given work without asking, by the rule of `service.domain.dispatch`.

A run goes through rounds until nothing waits or nobody can take what does. Each round is planned on what PostgreSQL
says; each agent's share is then dealt as if they had fetched it: one pop under their cap, one statement by the
arbiter, one transaction. The plan only proposes: who has gone away, filled their hand or lost their level meanwhile
is refused by the arbiter under the lock, and what was popped for them goes back to its places.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from service.domain.dispatch import Share, share_out
from service.domain.errors import AgentAway, AgentInactive, Conflict, NotFound, QueueUnavailable, StoreUnavailable
from service.domain.model import Cause
from service.usecases.dealing import Dealer, Wanted
from service.usecases.ports.dispatch import Board, DispatchRun, DispatchStore, Ended, JobCalls, Waits
from service.usecases.ports.reconcile import Lease, Leases
from service.usecases.ports.tickets import AssignmentStore

log = logging.getLogger(__name__)

JOB = "workers.jobs.dispatch"

LEASE = "dispatch"
LEASE_TTL_S = 15.0
"""How long a run that died keeps the others waiting; no single share takes near as long."""

PATIENCE_S = 20.0
"""How long a run waits for another one to end: longer than that one may go on, or lie dead."""

LOOK_S = 0.1

BUDGET_S = 10.0
"""How long a run goes on before it lets other background work have its turn."""

FRUITLESS_ROUNDS = 2
"""Rounds in succession that may come to nothing before a run gives up."""


@dataclass(frozen=True, slots=True)
class Gift:
    """What one agent was given, or would be."""

    agent_id: int
    ticket_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatched:
    """What a run did: who was given what, in how many rounds, and why it ended."""

    gifts: tuple[Gift, ...]
    rounds: int
    refused: int
    ended: Ended


class Dispatcher:
    """Give waiting tickets to the agents who take them unasked."""

    def __init__(
        self,
        *,
        store: DispatchStore,
        assignments: AssignmentStore,
        dealer: Dealer,
        leases: Leases,
        calls: JobCalls,
        holder: str,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._store = store
        self._assignments = assignments
        self._dealer = dealer
        self._leases = leases
        self._calls = calls
        self._holder = holder
        self._clock = clock
        self._sleep = sleep

    def answer(self) -> Dispatched:
        """Run as the job that was called: whoever calls from now on gets another. Raises as `run` does."""
        with suppress(QueueUnavailable):
            self._calls.began(JOB)
        return self.run(trigger="call")

    def run(self, *, trigger: str) -> Dispatched:
        """Dispatch until nothing waits, nobody can take it, or the time is up; then another job goes on.

        Raises `StoreUnavailable`, and `Conflict` when another run does not come to its end.
        """
        lease = self._take_turn()
        run = _Run(lease, self._leases, self._clock)
        try:
            ended = self._rounds(run)
        finally:
            with suppress(StoreUnavailable):
                self._leases.release(lease)
        done = Dispatched(gifts=tuple(run.gifts), rounds=run.rounds, refused=run.refused, ended=ended)
        self._record(done, trigger=trigger, took_s=self._clock() - run.began_at)
        if ended is Ended.OUT_OF_TIME:
            with suppress(QueueUnavailable):
                self._calls.call(JOB)
        return done

    def preview(self) -> tuple[Gift, ...]:
        """Say who would be given what if a run began now and nobody else did anything; changes nothing."""
        board = self._store.board()
        shares = share_out(board.candidates, board.waiting)
        heads = {priority: list(ids) for priority, ids in self._store.oldest(board.waiting).items()}
        gifts: list[Gift] = []
        for share in shares:
            ids: list[int] = []
            for priority, count in share.counts.items():
                ids += heads[priority][:count]
                del heads[priority][:count]
            gifts.append(Gift(share.agent_id, tuple(sorted(ids))))
        return tuple(gifts)

    def _take_turn(self) -> Lease:
        """Wait for the lease. Not simply leaving it to the other run: that one may have looked already."""
        until = self._clock() + PATIENCE_S
        while (lease := self._leases.acquire(LEASE, holder=self._holder, ttl_s=LEASE_TTL_S)) is None:
            if self._clock() >= until:
                raise Conflict("Another dispatch is under way and does not come to its end")
            self._sleep(LOOK_S)
        return lease

    def _rounds(self, run: _Run) -> Ended:
        fruitless = 0
        while fruitless < FRUITLESS_ROUNDS:
            board = self._store.board()
            shares = share_out(board.candidates, board.waiting)
            if not shares:
                return _why_over(board)
            if self._clock() - run.began_at >= BUDGET_S:
                return Ended.OUT_OF_TIME
            fruitless = 0 if self._round(run, shares) else fruitless + 1
        return Ended.STUCK

    def _round(self, run: _Run, shares: Sequence[Share]) -> int:
        """Deal every share, and count the tickets."""
        run.rounds += 1
        given = 0
        for share in shares:
            run.keep()
            try:
                ids = self._give(share)
            except (AgentAway, AgentInactive, Conflict, NotFound) as refusal:
                log.info("dispatch_refused", extra={"agent_id": share.agent_id, "code": refusal.code})
                run.refused += 1
                continue
            if ids:
                run.gifts.append(Gift(share.agent_id, ids))
            given += len(ids)
        return given

    def _give(self, share: Share) -> tuple[int, ...]:
        agent = self._assignments.agent(share.agent_id)
        if agent is None:
            raise NotFound(f"There is no agent {share.agent_id}")
        dealt = self._dealer.deal(agent, Wanted(count=share.total, cause=Cause.DISPATCH, limits=share.counts))
        extra = {"agent_id": agent.id, "assigned": len(dealt.ticket_ids), "served_by": dealt.served_by}
        log.info("tickets_dispatched", extra=extra)
        return dealt.ticket_ids

    def _record(self, done: Dispatched, *, trigger: str, took_s: float) -> None:
        """Keep what was done; a run that found nothing to do leaves no trace."""
        if not (done.gifts or done.refused):
            return
        ids = [ticket_id for gift in done.gifts for ticket_id in gift.ticket_ids]
        try:
            waits = self._store.waits(ids) if ids else Waits()
            self._store.record(
                DispatchRun(
                    trigger=trigger,
                    took_s=took_s,
                    rounds=done.rounds,
                    agents=len({gift.agent_id for gift in done.gifts}),
                    dispatched=len(ids),
                    refused=done.refused,
                    waits=waits,
                    ended=done.ended,
                )
            )
        except StoreUnavailable:
            log.warning("dispatch_not_recorded", extra={"dispatched": len(ids)})


class _Run:
    """One run under way: what it has done, and its lease."""

    def __init__(self, lease: Lease, leases: Leases, clock: Callable[[], float]) -> None:
        self.rounds = 0
        self.refused = 0
        self.gifts: list[Gift] = []
        self.began_at = clock()
        self._lease = lease
        self._leases = leases
        self._clock = clock
        self._renewed_at = self.began_at

    def keep(self) -> None:
        """Renew the lease when a third of it is over.

        One that was lost is no harm, as PostgreSQL decides about each ticket; two runs would only get in each other's
        way for a while.
        """
        if self._clock() - self._renewed_at > LEASE_TTL_S / 3:
            self._renewed_at = self._clock()
            if not self._leases.renew(self._lease, ttl_s=LEASE_TTL_S):
                log.warning("dispatch_lease_lost")


def _why_over(board: Board) -> Ended:
    return Ended.NOBODY if any(board.waiting.values()) else Ended.NOTHING_WAITS
