"""The rules: who may take what, in which order, and which move may follow which state."""

from __future__ import annotations

from collections.abc import Mapping

from service.domain.model import HELD, InHand, InQueue, Level, Place, Priority, Ticket, TicketStatus

QUEUES_BY_LEVEL: Mapping[Level, tuple[Priority, ...]] = {
    Level.SENIOR: (Priority.HIGH, Priority.MEDIUM, Priority.LOW),
    Level.JUNIOR: (Priority.LOW, Priority.MEDIUM),
}
"""The queues an agent pops, first to last. Within a queue: creation order."""

MOVES: Mapping[TicketStatus, frozenset[TicketStatus]] = {
    TicketStatus.OPEN: frozenset({TicketStatus.ASSIGNED}),
    TicketStatus.ASSIGNED: frozenset(
        {TicketStatus.IN_PROGRESS, TicketStatus.RESOLVED, TicketStatus.SOLD, TicketStatus.OPEN}
    ),
    TicketStatus.IN_PROGRESS: frozenset({TicketStatus.RESOLVED, TicketStatus.SOLD, TicketStatus.OPEN}),
    TicketStatus.RESOLVED: frozenset({TicketStatus.CLOSED, TicketStatus.IN_PROGRESS, TicketStatus.OPEN}),
    TicketStatus.CLOSED: frozenset({TicketStatus.OPEN}),
    TicketStatus.SOLD: frozenset(),
}
"""Which states may follow a state. `sold` is final."""


def may_move(present: TicketStatus, wanted: TicketStatus) -> bool:
    """Say whether a ticket in state `present` may go to `wanted`."""
    return wanted in MOVES[present]


def sources(wanted: TicketStatus) -> tuple[TicketStatus, ...]:
    """List the states from which a ticket may go to `wanted`, in the order of a ticket's life."""
    return tuple(status for status in TicketStatus if may_move(status, wanted))


def room(*, capacity: int, held: int, limit: int | None) -> int:
    """Count the tickets an agent may still be given, never negative; `limit` is what they asked for."""
    free = max(0, capacity - held)
    return free if limit is None else min(free, limit)


def place_of(ticket: Ticket) -> Place:
    """Say in which queue or in whose hand a ticket is, if in any."""
    if ticket.status is TicketStatus.OPEN:
        return InQueue(ticket.priority)
    if ticket.agent_id is not None and is_held(ticket.status):
        return InHand(ticket.agent_id)
    return None


def is_held(status: TicketStatus) -> bool:
    """Say whether a ticket in this state counts towards its agent's capacity."""
    return status in HELD
