"""A ticket queue in memory."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from uuid import UUID, uuid4

from service.domain.errors import QueueUnavailable
from service.domain.model import Priority, QueuedTicket
from service.usecases.ports.queue import HandHint, OpenClaim, Popped


class MemoryTicketQueue:
    """Keep the queue in lists and sets. `is_down` makes every call fail; `calls` names those made.

    `age_s` is what every claim in flight is said to be old.
    """

    def __init__(self, *, trusted: bool = True) -> None:
        self.lists: dict[Priority, list[int]] = {priority: [] for priority in Priority}
        self.held: dict[int, set[int]] = defaultdict(set)
        self.claims: dict[UUID, Popped] = {}
        self.replies: dict[UUID, Popped] = {}
        self.trusted = trusted
        self.is_down = False
        self.age_s = 0.0
        self.calls: list[str] = []

    def _enter(self, name: str) -> None:
        self.calls.append(name)
        if self.is_down:
            raise QueueUnavailable("The queue did not answer; try again shortly")

    def claim(
        self,
        *,
        claim_id: UUID,
        agent_id: int,
        wanted: int,
        capacity: int,
        priorities: Sequence[Priority],
        limits: Mapping[Priority, int] | None = None,
        repeatable: bool = True,
    ) -> Popped:
        self._enter("claim")
        if repeatable and claim_id in self.replies:
            return self.replies[claim_id]
        if not self.trusted:
            return Popped(claim_id=claim_id, agent_id=agent_id, tickets=(), trusted=False)
        room = max(0, capacity - len(self.held[agent_id]))
        tickets: list[QueuedTicket] = []
        for priority in priorities:
            take = min(wanted, room) - len(tickets)
            if limits is not None:
                take = min(take, limits.get(priority, 0))
            ids, self.lists[priority] = self.lists[priority][:take], self.lists[priority][take:]
            tickets += [QueuedTicket(ticket_id, priority) for ticket_id in ids]
        short = max(0, wanted - room)
        popped = Popped(claim_id=claim_id, agent_id=agent_id, tickets=tuple(tickets), short=short, token=str(claim_id))
        if tickets:
            self.held[agent_id] |= {ticket.id for ticket in tickets}
            self.claims[claim_id] = popped
            if repeatable:
                self.replies[claim_id] = replace(popped, short=0)
        return popped

    def settle(self, popped: Popped, *, forget: bool = False) -> None:
        self._enter("settle")
        self.claims.pop(popped.claim_id, None)
        if forget:
            self.replies.pop(popped.claim_id, None)

    def enqueue(self, tickets: Sequence[QueuedTicket]) -> int:
        self._enter("enqueue")
        return self._insert(tickets)

    def _insert(self, tickets: Iterable[QueuedTicket]) -> int:
        inserted = 0
        if self.trusted:
            for ticket in tickets:
                ids = self.lists[ticket.priority]
                place = bisect_left(ids, ticket.id)
                if place == len(ids) or ids[place] != ticket.id:
                    insort(ids, ticket.id)
                    inserted += 1
        return inserted

    def move(self, leaving: Sequence[QueuedTicket], entering: Sequence[QueuedTicket]) -> None:
        self._enter("move")
        self._take_out(leaving)
        self._insert(entering)

    def remove(self, tickets: Sequence[QueuedTicket]) -> int:
        self._enter("remove")
        return self._take_out(tickets)

    def _take_out(self, tickets: Iterable[QueuedTicket]) -> int:
        removed = 0
        for ticket in tickets:
            if ticket.id in self.lists[ticket.priority]:
                self.lists[ticket.priority].remove(ticket.id)
                removed += 1
        return removed

    def hold(self, agent_id: int, ticket_ids: Iterable[int]) -> None:
        self._enter("hold")
        self.held[agent_id] |= set(ticket_ids)

    def unhold(self, agent_id: int, ticket_ids: Iterable[int]) -> None:
        self._enter("unhold")
        self.held[agent_id] -= set(ticket_ids)

    def hand(self, agent_id: int) -> HandHint:
        self._enter("hand")
        claims = [popped for popped in self.claims.values() if popped.agent_id == agent_id]
        in_flight = {ticket.id for popped in claims for ticket in popped.tickets}
        return HandHint(
            settled=frozenset(self.held[agent_id] - in_flight),
            claims=tuple(
                OpenClaim(
                    claim_id=popped.claim_id,
                    agent_id=agent_id,
                    tickets=popped.tickets,
                    age_s=self.age_s,
                    token=popped.token,
                )
                for popped in claims
            ),
        )

    def depths(self) -> Mapping[Priority, int]:
        self._enter("depths")
        return {priority: len(ids) for priority, ids in self.lists.items()}

    def inversions(self) -> int:
        self._enter("inversions")
        return 0

    def is_trusted(self) -> bool:
        self._enter("is_trusted")
        return self.trusted

    def probe(self) -> None:
        self.claim(claim_id=uuid4(), agent_id=0, wanted=0, capacity=1, priorities=tuple(Priority))
