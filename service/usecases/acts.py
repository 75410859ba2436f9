"""Acts of agents and admins, worded as moves: from which states to which, whose, and why."""

from __future__ import annotations

from service.domain.errors import InvalidInput
from service.domain.model import Cause, TicketStatus
from service.domain.policy import sources
from service.domain.ticket_rules import clean_note
from service.usecases.ports.tickets import Buyer, Move

_CAUSES = {
    TicketStatus.IN_PROGRESS: Cause.START,
    TicketStatus.RESOLVED: Cause.RESOLVE,
    TicketStatus.CLOSED: Cause.CLOSE,
}
_OTHER_ACTS = "tickets are assigned, returned, reopened and sold by acts of their own"

_HELD = (TicketStatus.ASSIGNED, TicketStatus.IN_PROGRESS)


def working(
    ticket_id: int,
    status: TicketStatus,
    *,
    actor_id: int,
    holder_id: int | None = None,
    expected_epoch: int | None = None,
) -> Move:
    """Start, resolve or close a ticket, by naming the state it is to have. Raises `InvalidInput` for other states."""
    cause = _CAUSES.get(status)
    if cause is None:
        raise InvalidInput(("status", f"cannot be set to '{status}' by name; {_OTHER_ACTS}"))
    return Move(
        ticket_id=ticket_id,
        sources=sources(status),
        target=status,
        cause=cause,
        actor_id=actor_id,
        holder_id=holder_id,
        expected_epoch=expected_epoch,
    )


def sale(
    agent_id: int,
    ticket_id: int,
    buyer: Buyer | None,
    *,
    expected_epoch: int | None = None,
    is_repeatable: bool = True,
) -> Move:
    """Sell a held ticket."""
    return Move(
        ticket_id=ticket_id,
        sources=sources(TicketStatus.SOLD),
        target=TicketStatus.SOLD,
        cause=Cause.SELL,
        actor_id=agent_id,
        holder_id=agent_id,
        expected_epoch=expected_epoch,
        buyer=buyer,
        is_repeatable=is_repeatable,
    )


def release(agent_id: int, ticket_id: int, *, reason: str, expected_epoch: int | None = None) -> Move:
    """Give a held ticket back. Raises `InvalidInput`."""
    return Move(
        ticket_id=ticket_id,
        sources=_HELD,
        target=TicketStatus.OPEN,
        cause=Cause.RELEASE,
        actor_id=agent_id,
        holder_id=agent_id,
        expected_epoch=expected_epoch,
        note=check_reason(reason),
    )


def taking_back(ticket_id: int, *, actor_id: int | None, reason: str = "", expected_epoch: int | None = None) -> Move:
    """Take a held ticket from its agent. Raises `InvalidInput`."""
    return Move(
        ticket_id=ticket_id,
        sources=_HELD,
        target=TicketStatus.OPEN,
        cause=Cause.RETURN,
        actor_id=actor_id,
        expected_epoch=expected_epoch,
        note=clean_note(reason, field="reason"),
    )


def reopening(ticket_id: int, *, actor_id: int | None, reason: str = "", expected_epoch: int | None = None) -> Move:
    """Put a resolved or closed ticket back into the queue. Raises `InvalidInput`."""
    return Move(
        ticket_id=ticket_id,
        sources=(TicketStatus.RESOLVED, TicketStatus.CLOSED),
        target=TicketStatus.OPEN,
        cause=Cause.REOPEN,
        actor_id=actor_id,
        expected_epoch=expected_epoch,
        note=clean_note(reason, field="reason"),
    )


def assignment(ticket_id: int, *, agent_id: int, actor_id: int | None, expected_epoch: int | None) -> Move:
    """Word the move that gives an open or held ticket to an agent."""
    return Move(
        ticket_id=ticket_id,
        sources=(TicketStatus.OPEN, TicketStatus.ASSIGNED, TicketStatus.IN_PROGRESS),
        target=TicketStatus.ASSIGNED,
        cause=Cause.REASSIGN,
        actor_id=actor_id,
        to_agent_id=agent_id,
        expected_epoch=expected_epoch,
    )


def check_reason(text: str) -> str:
    """Return the reason to keep. Raises `InvalidInput` naming `reason`."""
    reason = clean_note(text, field="reason")
    if not reason:
        raise InvalidInput(("reason", "must say why the ticket goes back"))
    return reason
