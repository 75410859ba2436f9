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
from service.usecases.hints import hint
from service.usecases.ports.queue import Popped, TicketQueue
from service.usecases.ports.tickets import AssignmentStore, Claimed

log = logging.getLogger(__name__)

ROUNDS = 3
"""How often a fetch pops again because PostgreSQL refused phantoms; then PostgreSQL serves by itself."""

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

    def __init__(self, *, store: AssignmentStore, queue: TicketQueue) -> None:
        self._store = store
        self._queue = queue

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
        claim_id = operation_id or uuid4()
        served_by: ServedBy = "queue"
        try:
            assigned = self._deal_from_queue(agent, wanted, claim_id)
        except _QueueNotUsable as cut_short:
            served_by = "database"
            unused_id = uuid4() if cut_short.assigned else claim_id
            assigned = cut_short.assigned + self._deal_from_database(agent, wanted - cut_short.assigned, unused_id)
        log.info("tickets_fetched", extra={"agent_id": agent_id, "assigned": assigned, "served_by": served_by})
        return replace(self._hand(agent), assigned_now=assigned, served_by=served_by)

    def _deal_from_queue(self, agent: Agent, wanted: int, claim_id: UUID) -> int:
        """Pop and decide, a few times if need be. PostgreSQL knows the first tickets assigned under `claim_id`."""
        assigned, pop_id = 0, claim_id
        for _ in range(ROUNDS):
            popped = self._pop(agent, wanted - assigned, pop_id, assigned)
            if popped.full and self._mend_held_set(agent):
                continue
            if not popped.tickets:
                return assigned
            verdict = self._decide(popped, wanted - assigned, claim_id)
            with hint("settle"):
                self._queue.settle(popped, refused=verdict.refused, back=verdict.cut)
            assigned += len(verdict.assigned)
            if not verdict.refused or verdict.cut or assigned >= wanted:
                return assigned
            log.warning("phantoms_refused", extra={"agent_id": agent.id, "count": len(verdict.refused)})
            pop_id = uuid4()
            claim_id = pop_id if verdict.assigned else claim_id
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

    def _mend_held_set(self, agent: Agent) -> bool:
        """Take out of the held set what PostgreSQL does not confirm; False when there is nothing wrong with it.

        A full held set where PostgreSQL sees room is either wrong or ahead: another fetch of the same agent is in
        flight. What no claim in flight accounts for was decided before the hand is read here, so it must be in it.
        """
        with hint("mend"):
            wrong = self._queue.settled(agent.id) - {ticket.id for ticket in self._store.hand(agent.id)}
            self._queue.unhold(agent.id, wrong)
            if wrong:
                log.warning("held_set_mended", extra={"agent_id": agent.id, "count": len(wrong)})
            return bool(wrong)
        return False

    def _decide(self, popped: Popped, wanted: int, claim_id: UUID) -> Claimed:
        try:
            return self._store.claim(claim_id=claim_id, agent_id=popped.agent_id, popped=popped.tickets, limit=wanted)
        except StoreUnavailable:
            return self._learn_outcome(popped, claim_id)
        except FairdealError:
            with hint("settle"):
                self._queue.settle(popped, back=popped.tickets)
            raise

    def _learn_outcome(self, popped: Popped, claim_id: UUID) -> Claimed:
        """Look up by claim id what was committed, by a connection since lost or by another try of the same operation.

        Finding nothing proves nothing, since the statement may still be running: the claim is then left in the
        ledger, and the reconciler ends it once it is older than the lease. What was not taken goes back, even where
        it was a phantom: the next claim will find that out. Raises `StoreUnavailable`.
        """
        taken = self._store.claimed_by(claim_id)
        if taken is None:
            raise StoreUnavailable("PostgreSQL did not confirm the assignment; fetch again to see your hand")
        return Claimed(
            assigned=tuple(ticket for ticket in popped.tickets if ticket.id in taken),
            cut=tuple(ticket for ticket in popped.tickets if ticket.id not in taken),
            refused=(),
        )

    def _deal_from_database(self, agent: Agent, wanted: int, claim_id: UUID) -> int:
        taken = self._store.claim_oldest(claim_id=claim_id, agent_id=agent.id, limit=wanted).assigned
        if taken:
            with hint("remove"):
                self._queue.hold(agent.id, [ticket.id for ticket in taken])
                self._queue.remove(taken)
        return len(taken)

    def return_all(self, agent_id: int, *, actor_id: int | None, cause: Cause = Cause.RETURN, note: str = "") -> int:
        """Put everything an agent holds back to its places in the queue, and count it. Raises `NotFound`."""
        self._agent(agent_id)
        returned = self._store.return_all(agent_id, actor_id=actor_id, cause=cause, note=clean_note(note))
        if returned:
            with hint("return"):
                self._queue.unhold(agent_id, [ticket.id for ticket in returned])
                self._queue.enqueue(returned)
        return len(returned)

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
