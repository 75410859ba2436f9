"""Hints to the queue after PostgreSQL has decided. None can fail the request: the reconciler mends what is lost.

Two who change the same ticket are put in order by PostgreSQL, their hints to the queue by chance. So whoever hints
looks again: after the hint they read where the ticket is now, and where that is not what they hinted, they hint on from
there. Each hint is thus followed by a look of whoever gave it, and a look that finds things as hinted comes before any
later change, whose own hint is still to come: whatever the order of arrival, the last word is PostgreSQL's.

A fetch hints before it is decided, by popping, and needs no look: about a ticket that has lain in the queue for a while
nobody else has a hint to give. One that was changed a few seconds ago (`Claimed.restless`) is hinted about once more
after the commit: somebody's late hint may have queued it again between the pop and the commit.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager

from service.domain.errors import QueueUnavailable, StoreUnavailable
from service.domain.model import IN_QUEUE, InHand, InQueue, Place, Priority, QueuedTicket, Ticket, TicketStatus
from service.domain.policy import place_of
from service.usecases.ports.queue import TicketQueue
from service.usecases.ports.tickets import TicketPlaces

log = logging.getLogger(__name__)

LOOKS = 3
"""How often a hint is looked at again. For another to be needed, the ticket must have changed between all of them."""

PAGE = 1_000
"""Tickets looked at by one statement."""

MANY = 100
"""Tickets from which on it pays to ask first whether there is anything to be seen."""


@contextmanager
def hint(name: str) -> Iterator[None]:
    """Let the queue be away: say so in the log and go on."""
    try:
        yield
    except QueueUnavailable:
        log.warning("queue_hint_lost", extra={"hint": name})


def follow(queue: TicketQueue, places: TicketPlaces, changed: Iterable[tuple[Ticket, Ticket | None]]) -> None:
    """Bring the queue after tickets that went from one state to another, given as before and after.

    After is None where a ticket was deleted. What is sold or deleted stays so, and its hint only takes out, which
    nobody undoes but by a hint of their own: there is nothing to look at again, and a sale costs no further statement.
    """
    old: dict[int, Place] = {}
    new: dict[int, Place] = {}
    unsettled: dict[int, Place] = {}
    for before, after in changed:
        from_place, place = place_of(before), None if after is None else place_of(after)
        if from_place != place:
            old[before.id], new[before.id] = from_place, place
            if after is not None and after.status is not TicketStatus.SOLD:
                unsettled[before.id] = place
    if not new:
        return
    with hint("follow"):
        _send(queue, old, new)
        if unsettled:
            _look_again(queue, places, unsettled)


def opened(
    queue: TicketQueue, places: TicketPlaces, tickets: Sequence[QueuedTicket], *, held_by: int | None = None
) -> None:
    """Queue tickets that are open now: new ones, or what the agent `held_by` held."""
    after: dict[int, Place] = {ticket.id: IN_QUEUE[ticket.priority] for ticket in tickets}
    if held_by is None:
        if tickets:
            with hint("tell"):
                queue.enqueue(tickets)
                _look_again(queue, places, after)
        return
    before: Place = InHand(held_by)
    _tell(queue, places, dict.fromkeys(after, before), after)


def dealt(queue: TicketQueue, places: TicketPlaces, agent_id: int, tickets: Sequence[QueuedTicket]) -> None:
    """Tell of open tickets that an agent was given, and that may be in the queue though nobody has popped them."""
    _tell(queue, places, {t.id: InQueue(t.priority) for t in tickets}, {t.id: InHand(agent_id) for t in tickets})


def not_dealt(queue: TicketQueue, places: TicketPlaces, agent_id: int, ticket_ids: Iterable[int]) -> bool:
    """Take popped tickets out of the held set again, to where they are now: queue, another hand, or neither.

    Those that PostgreSQL says are in this agent's hand stay: an admin may have put them there at that moment. False
    when PostgreSQL or the queue did not answer, so that nothing is certain.
    """
    with hint("not_dealt"):
        return _look_again(queue, places, {ticket_id: InHand(agent_id) for ticket_id in ticket_ids})
    return False


def not_held(queue: TicketQueue, places: TicketPlaces, agent_id: int, ticket_ids: Sequence[int]) -> None:
    """Take ids out of a held set that was seen to be wrong, and put back what has come into this hand meanwhile."""
    with hint("not_held"):
        queue.unhold(agent_id, ticket_ids)
        _look_again(queue, places, dict.fromkeys(ticket_ids))


def _tell(queue: TicketQueue, places: TicketPlaces, before: Mapping[int, Place], after: Mapping[int, Place]) -> None:
    if after:
        with hint("tell"):
            _send(queue, before, after)
            _look_again(queue, places, after)


def _look_again(queue: TicketQueue, places: TicketPlaces, told: Mapping[int, Place]) -> bool:
    """Look, a page at a time, whether tickets are still where the queue was told; False when PostgreSQL is away."""
    ids = list(told)
    try:
        if len(ids) >= MANY and _are_all_queued(places, told):
            return True
        for start in range(0, len(ids), PAGE):
            _chase(queue, places, {ticket_id: told[ticket_id] for ticket_id in ids[start : start + PAGE]})
    except StoreUnavailable:
        log.warning("hints_not_looked_at", extra={"count": len(ids)})
        return False
    return True


def _are_all_queued(places: TicketPlaces, told: Mapping[int, Place]) -> bool:
    """Ask about many without reading them: new tickets, as imports bring them, are rarely taken within that time."""
    lines: dict[Priority, list[int]] = defaultdict(list)
    for ticket_id, place in told.items():
        if not isinstance(place, InQueue):
            return False
        lines[place.priority].append(ticket_id)
    return all(places.all_open(ids, priority) for priority, ids in lines.items())


def _chase(queue: TicketQueue, places: TicketPlaces, told: Mapping[int, Place]) -> None:
    for _ in range(LOOKS):
        found = places.places(list(told))
        if found == told:
            return
        moved = {ticket_id: found.get(ticket_id) for ticket_id in told if found.get(ticket_id) != told[ticket_id]}
        if not moved:
            return
        _send(queue, told, moved)
        told = moved
    log.warning("hints_outrun", extra={"count": len(told)})


def _send(queue: TicketQueue, before: Mapping[int, Place], after: Mapping[int, Place]) -> None:
    """Bring the queue from where the tickets of `after` were to where they are.

    Hands are emptied before the queue is filled: a claim that takes a ticket at once must find it in no held set.
    """
    relisted = {
        ticket_id
        for ticket_id in after
        if isinstance(before[ticket_id], InQueue) and isinstance(after[ticket_id], InQueue)
    }
    left = {ticket_id: before[ticket_id] for ticket_id in after}
    if relisted:
        queue.move(_queued(left, relisted), _queued(after, relisted))
    others = after.keys() - relisted
    for agent_id, ids in _by_hand(left).items():
        queue.unhold(agent_id, ids)
    if unqueued := _queued(left, others):
        queue.remove(unqueued)
    for agent_id, ids in _by_hand(after).items():
        queue.hold(agent_id, ids)
    if queued := _queued(after, others):
        queue.enqueue(queued)


def _by_hand(places: Mapping[int, Place]) -> dict[int, list[int]]:
    hands: dict[int, list[int]] = defaultdict(list)
    for ticket_id, place in places.items():
        if isinstance(place, InHand):
            hands[place.agent_id].append(ticket_id)
    return hands


def _queued(places: Mapping[int, Place], ids: Set[int]) -> list[QueuedTicket]:
    return [
        QueuedTicket(ticket_id, place.priority)
        for ticket_id, place in places.items()
        if ticket_id in ids and isinstance(place, InQueue)
    ]
