"""Hands: an agent asks for work, gets the oldest (see `service.usecases.dealing`), and sees the whole hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from service.domain.errors import AgentAway, AgentInactive, InvalidInput, NotFound, StoreUnavailable
from service.domain.model import MAX_CAPACITY, Agent, Availability, Cause, HandSeen, Taker, Ticket
from service.domain.policy import room
from service.domain.ticket_rules import clean_note
from service.usecases.dealing import Dealer, Dealt, ServedBy, Wanted
from service.usecases.foresight import Foresight
from service.usecases.hints import opened
from service.usecases.ports.queue import TicketQueue
from service.usecases.ports.tickets import AssignmentStore, TicketPlaces


@dataclass(frozen=True, slots=True, kw_only=True)
class Hand:
    """What an agent holds, in creation order, and how much of it this call assigned."""

    tickets: tuple[Ticket, ...]
    held: int
    capacity: int
    assigned_now: int = 0
    served_by: ServedBy = "queue"


@dataclass(frozen=True, slots=True)
class Ahead:
    """What a fetch was dealt before it was known who asks: how much, and the whole hand where that is full by it."""

    assigned: int = 0
    agent_id: int | None = None
    hand: Hand | None = None
    uses_queue: bool = True
    """The queue has not failed in this fetch."""


NOTHING_AHEAD = Ahead()


class Assignments:
    """Deal tickets out, oldest first, never one twice, never more than fit in a hand."""

    def __init__(self, *, store: AssignmentStore, queue: TicketQueue, places: TicketPlaces) -> None:
        self._store = store
        self._queue = queue
        self._places = places
        self._dealer = Dealer(store=store, queue=queue, places=places)
        self._foresight = Foresight()

    def held(self, agent_id: int, *, seen: HandSeen | None = None) -> Hand:
        """Read what an agent holds; `seen` is that, where it has just been read. Raises `NotFound`."""
        return self._hand(self._agent(agent_id)) if seen is None else _as_seen(seen)

    def fetch(
        self,
        agent_id: int,
        *,
        limit: int | None = None,
        operation_id: UUID | None = None,
        seen: HandSeen | None = None,
        uses_queue: bool = True,
    ) -> Hand:
        """Top an agent's hand up to capacity, or by `limit` (1 to 15) tickets at the most.

        Harmless to repeat: a full hand is simply returned. Trying again with the same `operation_id` assigns nothing
        if the first try did. `seen` is what the agent held when the request began, where that has been read: what
        changes nothing is answered from it. Without `uses_queue`, PostgreSQL serves.

        Raises `InvalidInput`, `NotFound`, `AgentInactive`, `AgentAway`, and `StoreUnavailable` when PostgreSQL is away
        or the outcome cannot be learnt.
        """
        if limit is not None and not 1 <= limit <= MAX_CAPACITY:
            raise InvalidInput(("limit", f"must be between 1 and {MAX_CAPACITY}"))
        agent = self._agent(agent_id) if seen is None else seen.agent
        _check_takes_part(agent)
        if operation_id is not None:
            taken = self._store.claimed_by(operation_id)
            if taken is not None:
                return replace(self._hand(agent), assigned_now=len(taken))
        wanted = room(capacity=agent.capacity, held=agent.held, limit=limit)
        if wanted == 0:
            return self._hand(agent) if seen is None else _as_seen(seen)
        asked_at = None if seen is None else seen.asked_at
        dealt = self._dealer.deal(
            agent, Wanted(count=wanted), operation_id=operation_id, asked_at=asked_at, uses_queue=uses_queue
        )
        assigned, served_by = len(dealt.ticket_ids), dealt.served_by
        return replace(self._hand_after(dealt, agent, seen), assigned_now=assigned, served_by=served_by)

    def fetch_ahead(self, session_id: UUID) -> Ahead:
        """Fill the hand of a session's agent before it is known who that is, where that is likely to succeed.

        The arbiter checks what is supposed of them, so a session that is over is dealt nothing. Unless the hand is full
        by it, `fetch_seen` goes on from there. Raises `StoreUnavailable` as `fetch` does.
        """
        supposed = self._foresight.of(session_id)
        if supposed is None:
            return NOTHING_AHEAD
        try:
            verdict = self._dealer.deal_supposed(supposed)
        except StoreUnavailable:
            self._foresight.clear()
            raise
        if verdict is None:
            self._foresight.forget(session_id)
            return Ahead(uses_queue=False)
        assigned = len(verdict.assigned)
        if not assigned or not verdict.is_full or verdict.hand is None:
            self._foresight.forget(session_id)
            return Ahead(assigned)
        held = len(verdict.hand)
        if held != supposed.agent.capacity:
            self._foresight.learn(session_id, replace(supposed.agent, capacity=held), assigned)
        hand = Hand(tickets=verdict.hand, held=held, capacity=held, assigned_now=assigned)
        return Ahead(assigned, supposed.agent.id, hand)

    def fetch_seen(self, session_id: UUID, seen: HandSeen, ahead: Ahead) -> Hand:
        """Fetch for a session whose agent has been seen, after what was dealt `ahead`. Raises as `fetch`."""
        hand = self.fetch(seen.agent.id, seen=seen, uses_queue=ahead.uses_queue)
        assigned = ahead.assigned + hand.assigned_now
        self._foresight.learn(session_id, seen.agent, assigned)
        return replace(hand, assigned_now=assigned) if ahead.assigned else hand

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

    def _hand_after(self, dealt: Dealt, agent: Agent | Taker, seen: HandSeen | None) -> Hand:
        """Say what the agent holds now: as the arbiter has said, as it was seen, or as it is read once more."""
        if dealt.hand is not None:
            return Hand(tickets=dealt.hand, held=len(dealt.hand), capacity=agent.capacity)
        if dealt.found_nothing and seen is not None:
            return _as_seen(seen)
        return self._hand(agent)

    def _hand(self, agent: Agent | Taker) -> Hand:
        tickets = tuple(self._store.hand(agent.id))
        return Hand(tickets=tickets, held=len(tickets), capacity=agent.capacity)


def _as_seen(seen: HandSeen) -> Hand:
    return Hand(tickets=seen.tickets, held=len(seen.tickets), capacity=seen.agent.capacity)


def _check_takes_part(agent: Agent | Taker) -> None:
    """Refuse early what the arbiter would refuse under the lock."""
    if not agent.is_active:
        raise AgentInactive("This agent is deactivated and gets no tickets; an admin can activate them again")
    if agent.availability is Availability.AWAY:
        raise AgentAway("You are away and get no new tickets; set your availability to 'available' first")
