"""Late sales and resolutions: of tickets that were taken back from their agent, and that nobody has had since.

The ticket's row lock decides between the agent who comes late and the one who is being dealt the ticket: whoever gets
it second finds it in another state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, text

from service.domain.errors import AgentInactive, TicketTaken
from service.domain.model import Cause, Ticket, TicketStatus
from service.store.rows import QUIET_CAUSES
from service.usecases.ports.tickets import Move

TARGETS = frozenset({TicketStatus.RESOLVED, TicketStatus.SOLD})
"""What an agent may still make of a ticket that was taken back from them."""

TAKEN_BACK = frozenset({Cause.AWAY, Cause.HOLD_LIMIT})

NOTE = "late: the ticket had gone back to its queue"

# What last happened between the agent and the ticket, and whether anything has happened to it since.
_LAST = text(f"""
SELECT e.cause, NOT EXISTS (
    SELECT FROM ticket_events l
    WHERE l.ticket_id = e.ticket_id AND l.id > e.id AND l.cause NOT IN ({QUIET_CAUSES})
) AS is_last
FROM ticket_events e
WHERE e.ticket_id = :ticket_id AND :agent_id IN (e.agent_id, e.from_agent_id) AND e.cause NOT IN ({QUIET_CAUSES})
ORDER BY e.id DESC LIMIT 1
""")  # noqa: S608 - the causes are our own

_NOW = {
    TicketStatus.OPEN: "has been with another agent since; it is open again",
    TicketStatus.ASSIGNED: "is now assigned to another agent",
    TicketStatus.IN_PROGRESS: "is now in progress with another agent",
    TicketStatus.RESOLVED: "has been resolved by another agent",
    TicketStatus.CLOSED: "has been resolved by another agent and closed",
    TicketStatus.SOLD: "has been sold by another agent",
}


def as_possible(connection: Connection, before: Ticket, wanted: Move, agents: Mapping[int, Any]) -> Move:
    """Return the move as it is to be checked: from the queue, where a late agent wants it and it is not too late.

    The ticket and its agent are locked. The epoch the agent knows may be the one of their hold, which the taking back
    raised by one. Raises `TicketTaken` where somebody else has had the ticket since, and `AgentInactive`.
    """
    if wanted.holder_id in (None, before.agent_id) or wanted.target not in TARGETS:
        return wanted
    values = {"ticket_id": before.id, "agent_id": wanted.holder_id}
    last = connection.execute(_LAST, values).one_or_none()
    if last is None or last.cause not in TAKEN_BACK:
        return wanted
    if before.status is not TicketStatus.OPEN or not last.is_last:
        detail = f"Ticket {before.id} went back to its queue and {_NOW[before.status]}"
        raise TicketTaken(detail, state=before.status.value)
    if not agents[wanted.holder_id].is_active:
        raise AgentInactive(f"Agent {wanted.holder_id} is deactivated and gets no tickets")
    knows_own_hold = wanted.expected_epoch == before.epoch - 1
    return replace(
        wanted,
        sources=(TicketStatus.OPEN,),
        holder_id=None,
        to_agent_id=wanted.holder_id,
        expected_epoch=before.epoch if knows_own_hold else wanted.expected_epoch,
        note=NOTE,
    )
