"""Dealing tickets out: an agent asks, gets the oldest, and sees the whole hand.

PostgreSQL decides, the queue only hints: ids are popped, put before the arbiter, and the claim is settled afterwards.
Whatever dies in between is mended by the reconciler, and nothing the queue says wrongly can assign a ticket wrongly.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Literal
from uuid import UUID, uuid4

from service.domain.errors import (
    AgentAway,
    AgentInactive,
    FairdealError,
    InvalidInput,
    NotFound,
    QueueUnavailable,
    StoreUnavailable,
)
from service.domain.model import MAX_CAPACITY, Agent, Availability, Cause, Ticket
from service.domain.policy import QUEUES_BY_LEVEL, room
from service.domain.ticket_rules import clean_note
from service.usecases.hints import dealt, hint, not_dealt, not_held, opened
from service.usecases.ports.queue import HandHint, OpenClaim, Popped, TicketQueue
from service.usecases.ports.tickets import AssignmentStore, Claimed, TicketPlaces

log = logging.getLogger(__name__)

ROUNDS = 3
"""How often a fetch pops again because PostgreSQL refused phantoms; then PostgreSQL serves by itself."""

RESUME_AFTER_S = 3.0
"""Age of a claim that a later fetch of its agent takes up. The arbiter's statement takes milliseconds; where it takes
seconds, taking it up is safe still, but would add to what makes it slow."""

ServedBy = Literal["queue", "database"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hand:
    """What an agent holds, in creation order, and how much of it this call assigned."""

    tickets: tuple[Ticket, ...]
    held: int
    capacity: int
    assigned_now: int = 0
    served_by: ServedBy = "queue"


class _QueueNotUsable(Exception):
    """The queue cannot serve this fetch; `assigned` tickets were dealt before that showed."""

    def __init__(self, assigned: int) -> None:
        super().__init__(assigned)
        self.assigned = assigned


class Assignments:
    """Deal tickets out, oldest first, never one twice, never more than fit in a hand."""

    def __init__(self, *, store: AssignmentStore, queue: TicketQueue, places: TicketPlaces) -> None:
        self._store = store
        self._queue = queue
        self._places = places

    def held(self, agent_id: int) -> Hand:
        """Read what an agent holds. Raises `NotFound`."""
        return self._hand(self._agent(agent_id))

    def fetch(self, agent_id: int, *, limit: int | None = None, operation_id: UUID | None = None) -> Hand:
        """Top an agent's hand up to capacity, or by `limit` (1 to 15) tickets at the most.

        Harmless to repeat: a full hand is simply returned. Trying again with the same `operation_id` assigns nothing
        if the first try did. Raises `InvalidInput`, `NotFound`, `AgentInactive`,
        `AgentAway`, and `StoreUnavailable` when PostgreSQL is away or the outcome cannot be learnt.
        """
        if limit is not None and not 1 <= limit <= MAX_CAPACITY:
            raise InvalidInput(("limit", f"must be between 1 and {MAX_CAPACITY}"))
        agent = self._agent(agent_id)
        _check_takes_part(agent)
        if operation_id is not None:
            taken = self._store.claimed_by(operation_id)
            if taken is not None:
                return replace(self._hand(agent), assigned_now=len(taken))
        wanted = room(capacity=agent.capacity, held=agent.held, limit=limit)
        if wanted == 0:
            return self._hand(agent)
        served_by: ServedBy = "queue"
        try:
            assigned = self._deal_from_queue(agent, wanted, operation_id)
        except _QueueNotUsable as cut_short:
            served_by = "database"
            left, name = wanted - cut_short.assigned, None if cut_short.assigned else operation_id
            assigned = cut_short.assigned + self._deal_from_database(agent, left, name)
        log.info("tickets_fetched", extra={"agent_id": agent_id, "assigned": assigned, "served_by": served_by})
        return replace(self._hand(agent), assigned_now=assigned, served_by=served_by)

    def _deal_from_queue(self, agent: Agent, wanted: int, operation_id: UUID | None) -> int:
        """Pop and decide, a few times if need be. PostgreSQL knows the first tickets assigned by the `operation_id`.

        Without one, each round has an id of its own: another fetch of this agent may have taken up the one before.
        """
        claim_id = pop_id = operation_id or uuid4()
        assigned = 0
        for _ in range(ROUNDS):
            popped = self._pop(agent, wanted - assigned, pop_id, assigned)
            verdict = self._decide(popped, wanted - assigned, claim_id) if popped.tickets else Claimed()
            assigned += len(verdict.assigned)
            made_room = False
            if popped.short and assigned < wanted:
                resumed, made_room = self._make_room(agent, wanted - assigned)
                assigned += resumed
            if assigned >= wanted or verdict.cut or not (verdict.refused or made_room):
                return assigned
            if verdict.refused and operation_id is not None and not assigned:
                taken = self._store.claimed_by(operation_id)
                if taken is not None:  # another fetch of this agent has taken this one up
                    return len(taken)
            if verdict.refused:
                log.warning("phantoms_refused", extra={"agent_id": agent.id, "count": len(verdict.refused)})
            pop_id = uuid4() if popped.tickets else pop_id
            claim_id = pop_id if verdict.assigned or operation_id is None else claim_id
        raise _QueueNotUsable(assigned)

    def _pop(self, agent: Agent, wanted: int, pop_id: UUID, assigned: int) -> Popped:
        try:
            popped = self._queue.claim(
                claim_id=pop_id,
                agent_id=agent.id,
                wanted=wanted,
                capacity=agent.capacity,
                priorities=QUEUES_BY_LEVEL[agent.level],
            )
        except QueueUnavailable as exc:
            raise _QueueNotUsable(assigned) from exc
        if not popped.trusted:
            raise _QueueNotUsable(assigned)
        return popped

    def _make_room(self, agent: Agent, wanted: int) -> tuple[int, bool]:
        """See why the held set leaves less room than PostgreSQL sees; count what that assigned, and say if it has more.

        The set is wrong, or ahead: another fetch of the same agent is in flight, or has died there or gone without
        an answer. Such a claim is resumed. What no claim in flight accounts for was decided before the hand is read
        here, so it must be in it.
        """
        seen: HandHint | None = None
        with hint("make_room"):
            seen = self._queue.hand(agent.id)
        if seen is None:
            return 0, False
        assigned = 0
        stuck = [claim for claim in seen.claims if claim.age_s >= RESUME_AFTER_S]
        for claim in stuck:
            assigned += self._resume(claim, wanted - assigned)
        wrong = seen.settled - {ticket.id for ticket in self._store.hand(agent.id)}
        if wrong:
            not_held(self._queue, self._places, agent.id, sorted(wrong))
            log.warning("held_set_mended", extra={"agent_id": agent.id, "count": len(wrong)})
        return assigned, bool(stuck or wrong)

    def _resume(self, claim: OpenClaim, wanted: int) -> int:
        """Put a claim before the arbiter again, under its own id, and count what it assigned this time.

        That is safe whatever became of the first try: if it was committed, its row says so; if it is still running,
        the agent's row puts the two in order, and the second finds nothing open.
        """
        log.warning("claim_resumed", extra={"agent_id": claim.agent_id, "claim_id": str(claim.claim_id)})
        popped = Popped(claim_id=claim.claim_id, agent_id=claim.agent_id, tickets=claim.tickets, token=claim.token)
        if self._store.claimed_by(claim.claim_id) is not None:
            self._settle(popped, Claimed())
            return 0
        verdict = self._decide(popped, wanted, claim.claim_id)
        dealt(self._queue, self._places, claim.agent_id, verdict.assigned)
        return len(verdict.assigned)

    def _decide(self, popped: Popped, wanted: int, claim_id: UUID) -> Claimed:
        """Put what was popped before the arbiter, and end the claim unless its fate is unknown."""
        try:
            verdict = self._store.claim(
                claim_id=claim_id, agent_id=popped.agent_id, popped=popped.tickets, limit=wanted
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

    def _deal_from_database(self, agent: Agent, wanted: int, operation_id: UUID | None) -> int:
        claim_id = operation_id or uuid4()
        taken = self._store.claim_oldest(claim_id=claim_id, agent_id=agent.id, limit=wanted).assigned
        dealt(self._queue, self._places, agent.id, taken)
        return len(taken)

    def return_all(
        self,
        agent_id: int,
        *,
        actor_id: int | None,
        cause: Cause = Cause.RETURN,
        note: str = "",
        dry_run: bool = False,
    ) -> list[int]:
        """Put everything an agent holds back to its places in the queue, and name it in creation order.

        A dry run says what that would be, and changes nothing. Raises `NotFound`.
        """
        self._agent(agent_id)
        returned = self._store.return_all(
            agent_id, actor_id=actor_id, cause=cause, note=clean_note(note), dry_run=dry_run
        )
        if not dry_run:
            opened(self._queue, self._places, returned, held_by=agent_id)
        return [ticket.id for ticket in returned]

    def _agent(self, agent_id: int) -> Agent:
        agent = self._store.agent(agent_id)
        if agent is None:
            raise NotFound(f"There is no agent {agent_id}")
        return agent

    def _hand(self, agent: Agent) -> Hand:
        tickets = tuple(self._store.hand(agent.id))
        return Hand(tickets=tickets, held=len(tickets), capacity=agent.capacity)


def _check_takes_part(agent: Agent) -> None:
    """Refuse early what the arbiter would refuse under the lock."""
    if not agent.is_active:
        raise AgentInactive("This agent is deactivated and gets no tickets; an admin can activate them again")
    if agent.availability is Availability.AWAY:
        raise AgentAway("You are away and get no new tickets; set your availability to 'available' first")
