"""Dealing: ids are popped, put before the arbiter, and the claim is settled afterwards.

The one way by which tickets come into a hand from the queue, whether the agent asked for them or is given them.
PostgreSQL decides, the queue only hints. Whatever dies in between is mended by the reconciler, and nothing the queue
says wrongly can assign a ticket wrongly.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import getrandbits
from typing import Literal
from uuid import UUID

from service.domain.errors import AgentAway, AgentInactive, FairdealError, QueueUnavailable, StoreUnavailable
from service.domain.model import Agent, Cause, Priority, QueuedTicket, Taker, Ticket
from service.domain.policy import QUEUES_BY_LEVEL
from service.usecases.empty_looks import EmptyLooks
from service.usecases.hints import dealt, hint, not_dealt, not_held
from service.usecases.ports.queue import HandHint, OpenClaim, Popped, TicketQueue
from service.usecases.ports.tickets import AssignmentStore, Claimed, Supposed, TicketPlaces

log = logging.getLogger(__name__)

ROUNDS = 3
"""How often a deal pops again because PostgreSQL refused phantoms; then PostgreSQL serves by itself."""

RESUME_AFTER_S = 3.0
"""Age of a claim that a later fetch of its agent takes up. The arbiter's statement takes milliseconds; where it takes
seconds, taking it up is safe still, but would add to what makes it slow."""

ServedBy = Literal["queue", "database"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How many tickets an agent is to be dealt, and why; with `limits`, no more of each priority than its own."""

    count: int
    cause: Cause = Cause.FETCH
    limits: Mapping[Priority, int] | None = None

    def less(self, tickets: Sequence[QueuedTicket]) -> Wanted:
        """Say what is wanted still when these have been dealt."""
        if not tickets:
            return self
        came = Counter(ticket.priority for ticket in tickets)
        limits = None if self.limits is None else {p: max(0, n - came[p]) for p, n in self.limits.items()}
        return replace(self, count=self.count - len(tickets), limits=limits)


@dataclass(frozen=True, slots=True)
class Dealt:
    """The tickets that came into the hand, and by which way."""

    ticket_ids: tuple[int, ...]
    served_by: ServedBy = "queue"
    hand: tuple[Ticket, ...] | None = None
    """All that the agent holds, where the arbiter said so after the last of these tickets."""
    found_nothing: bool = False
    """The queue was empty for this agent, and nothing suggests that the hand has changed meanwhile."""


def _new_id() -> UUID:
    """Name a claim at random, which is no secret: `uuid4` asks the system, and each thread queues up after that."""
    return UUID(int=getrandbits(128), version=4)


class _QueueNotUsable(Exception):
    """The queue cannot serve this deal; `tickets` were dealt before that showed."""

    def __init__(self, tickets: Sequence[QueuedTicket]) -> None:
        super().__init__(len(tickets))
        self.tickets = tickets


class Dealer:
    """Put tickets into an agent's hand: from the queue, and where that cannot be, straight from PostgreSQL."""

    def __init__(self, *, store: AssignmentStore, queue: TicketQueue, places: TicketPlaces) -> None:
        self._store = store
        self._queue = queue
        self._places = places
        self._empty_looks = EmptyLooks()

    def deal(
        self,
        agent: Agent | Taker,
        wanted: Wanted,
        *,
        operation_id: UUID | None = None,
        asked_at: float | None = None,
        uses_queue: bool = True,
    ) -> Dealt:
        """Deal what is wanted, oldest first.

        `asked_at`, by `time.monotonic()`, is when the request asked what the agent holds: where another look sent since
        then has found nothing, none is sent. Without `uses_queue`, for it has just failed, PostgreSQL serves.

        Raises `NotFound`, `AgentInactive`, `AgentAway`, `Conflict` (the agent takes no tickets they did not ask for),
        and `StoreUnavailable` when PostgreSQL is away or the outcome cannot be learnt.
        """
        if not uses_queue:
            return Dealt(self._deal_from_database(agent, wanted, operation_id), "database")
        if operation_id is None and asked_at is not None and self._empty_looks.one_since(agent.level, asked_at):
            return Dealt((), found_nothing=True)
        try:
            return self._deal_from_queue(agent, wanted, operation_id)
        except _QueueNotUsable as cut_short:
            before = tuple(ticket.id for ticket in cut_short.tickets)
            name = None if before else operation_id
            return Dealt((*before, *self._deal_from_database(agent, wanted.less(cut_short.tickets), name)), "database")

    def deal_supposed(self, supposed: Supposed) -> Claimed | None:
        """Deal what fits into the hand of an agent before anything has been asked of PostgreSQL.

        Whether it is as supposed is checked with the decision; where it is not, or the queue has nothing, nothing has
        been dealt and `deal` comes next. None where the queue is not to be used: it may have popped all the same, and
        would find the hand full of that. Raises `StoreUnavailable` as `deal` does.
        """
        wanted, claim_id = Wanted(count=supposed.agent.capacity), _new_id()
        try:
            popped = self._pop(supposed.agent, wanted, claim_id, (), repeatable=False)
            verdict = self._decide(popped, wanted, claim_id, supposed) if popped.tickets else Claimed()
        except _QueueNotUsable:
            return None
        except (AgentAway, AgentInactive):
            return Claimed()
        if verdict.refused:  # phantoms, or all of them, as the session is over or the level another
            log.info("refused_ahead", extra={"agent_id": supposed.agent.id, "count": len(verdict.refused)})
        return verdict

    def _deal_from_queue(self, agent: Agent | Taker, wanted: Wanted, operation_id: UUID | None) -> Dealt:
        """Pop and decide, a few times if need be. PostgreSQL knows the first tickets assigned by the `operation_id`.

        Without one, each round has an id of its own: another fetch of this agent may have taken up the one before.
        """
        claim_id = pop_id = operation_id or _new_id()
        assigned: list[QueuedTicket] = []
        for _ in range(ROUNDS):
            repeatable = pop_id == operation_id  # by another try of the request; nobody else knows the id
            popped = self._pop(agent, wanted.less(assigned), pop_id, assigned, repeatable=repeatable)
            verdict = self._decide(popped, wanted.less(assigned), claim_id) if popped.tickets else Claimed()
            assigned += verdict.assigned
            hand = verdict.hand
            made_room = False
            if popped.short and len(assigned) < wanted.count:
                resumed, made_room = self._make_room(agent, wanted.less(assigned))
                assigned += resumed
                hand = None
            if len(assigned) >= wanted.count or verdict.cut or not (verdict.refused or made_room):
                found_nothing = not (assigned or popped.tickets or popped.short)
                return Dealt(tuple(ticket.id for ticket in assigned), hand=hand, found_nothing=found_nothing)
            if verdict.refused and operation_id is not None and not assigned:
                taken = self._store.claimed_by(operation_id)
                if taken is not None:  # another fetch of this agent has taken this one up
                    return Dealt(taken)
            if verdict.refused:
                log.warning("phantoms_refused", extra={"agent_id": agent.id, "count": len(verdict.refused)})
            pop_id = _new_id() if popped.tickets else pop_id
            claim_id = pop_id if verdict.assigned or operation_id is None else claim_id
        raise _QueueNotUsable(assigned)

    def _pop(
        self,
        agent: Agent | Taker,
        wanted: Wanted,
        pop_id: UUID,
        assigned: Sequence[QueuedTicket],
        *,
        repeatable: bool,
    ) -> Popped:
        sent_at = time.monotonic()
        try:
            popped = self._queue.claim(
                claim_id=pop_id,
                agent_id=agent.id,
                wanted=wanted.count,
                capacity=agent.capacity,
                priorities=QUEUES_BY_LEVEL[agent.level],
                limits=wanted.limits,
                repeatable=repeatable,
            )
        except QueueUnavailable as exc:
            raise _QueueNotUsable(assigned) from exc
        if not popped.trusted:
            raise _QueueNotUsable(assigned)
        if wanted.count and wanted.limits is None and not (popped.tickets or popped.short):
            self._empty_looks.note(agent.level, sent_at)
        return popped

    def _make_room(self, agent: Agent | Taker, wanted: Wanted) -> tuple[list[QueuedTicket], bool]:
        """See why the held set leaves less room than PostgreSQL sees; name what that assigned, and say if it has more.

        The set is wrong, or ahead: another fetch of the same agent is in flight, or has died there or gone without
        an answer. Such a claim is resumed. What no claim in flight accounts for was decided before the hand is read
        here, so it must be in it.
        """
        seen: HandHint | None = None
        with hint("make_room"):
            seen = self._queue.hand(agent.id)
        assigned: list[QueuedTicket] = []
        if seen is None:
            return assigned, False
        stuck = [claim for claim in seen.claims if claim.age_s >= RESUME_AFTER_S]
        for claim in stuck:
            assigned += self._resume(claim, wanted.less(assigned))
        wrong = seen.settled - {ticket.id for ticket in self._store.hand(agent.id)}
        if wrong:
            not_held(self._queue, self._places, agent.id, sorted(wrong))
            log.warning("held_set_mended", extra={"agent_id": agent.id, "count": len(wrong)})
        return assigned, bool(stuck or wrong)

    def _resume(self, claim: OpenClaim, wanted: Wanted) -> tuple[QueuedTicket, ...]:
        """Put a claim before the arbiter again, under its own id, and name what it assigned this time.

        That is safe whatever became of the first try: if it was committed, its row says so; if it is still running,
        the agent's row puts the two in order, and the second finds nothing open.
        """
        log.warning("claim_resumed", extra={"agent_id": claim.agent_id, "claim_id": str(claim.claim_id)})
        popped = Popped(claim_id=claim.claim_id, agent_id=claim.agent_id, tickets=claim.tickets, token=claim.token)
        if self._store.claimed_by(claim.claim_id) is not None:
            self._settle(popped, Claimed())
            return ()
        verdict = self._decide(popped, wanted, claim.claim_id)
        dealt(self._queue, self._places, claim.agent_id, verdict.assigned)
        return verdict.assigned

    def _decide(self, popped: Popped, wanted: Wanted, claim_id: UUID, supposed: Supposed | None = None) -> Claimed:
        """Put what was popped before the arbiter, and end the claim unless its fate is unknown."""
        try:
            verdict = self._store.claim(
                claim_id=claim_id,
                agent_id=popped.agent_id,
                popped=popped.tickets,
                limit=wanted.count,
                cause=wanted.cause,
                supposed=supposed,
            )
        except StoreUnavailable:
            verdict = self._learn_outcome(popped, claim_id)
        except FairdealError:
            self._settle(popped, Claimed())
            raise
        self._settle(popped, verdict)
        return verdict

    def _learn_outcome(self, popped: Popped, claim_id: UUID) -> Claimed:
        """Look up by claim id what was committed, by a connection since lost or by another try of the same operation.

        Finding nothing proves nothing, since the statement may still be running: the claim is then left in the
        ledger, for the agent's next fetch to resume, or for the reconciler to end once it is older than the lease.
        Raises `StoreUnavailable`.
        """
        taken = self._store.claimed_by(claim_id)
        if taken is None:
            raise StoreUnavailable("PostgreSQL did not confirm the assignment; fetch again to see your hand")
        assigned = tuple(ticket for ticket in popped.tickets if ticket.id in taken)
        cut = tuple(ticket for ticket in popped.tickets if ticket.id not in taken)
        return Claimed(assigned=assigned, cut=cut, restless=assigned)

    def _settle(self, popped: Popped, verdict: Claimed) -> None:
        """End a claim, last of all: dying before leaves it in the ledger, where the reconciler finds it.

        What was not assigned goes from the held set to where it is. If nobody can say where, the claim stays too.
        """
        dealt(self._queue, self._places, popped.agent_id, verdict.restless)
        assigned = {ticket.id for ticket in verdict.assigned}
        left = [ticket.id for ticket in popped.tickets if ticket.id not in assigned]
        if left and not not_dealt(self._queue, self._places, popped.agent_id, left):
            return
        with hint("settle"):
            self._queue.settle(popped, forget=bool(left))

    def _deal_from_database(self, agent: Agent | Taker, wanted: Wanted, operation_id: UUID | None) -> tuple[int, ...]:
        taken = self._store.claim_oldest(
            claim_id=operation_id or _new_id(),
            agent_id=agent.id,
            limit=wanted.count,
            cause=wanted.cause,
            limits=wanted.limits,
        ).assigned
        dealt(self._queue, self._places, agent.id, taken)
        return tuple(ticket.id for ticket in taken)
