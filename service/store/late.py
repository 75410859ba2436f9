"""Late sales and resolutions: of tickets that were taken back from their agent, and that nobody has had since.

The ticket's row lock decides between the agent who comes late and the one who is being dealt the ticket: whoever gets
it second finds it in another state.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, text

from service.domain.errors import AgentInactive, TicketTaken
from service.domain.model import Cause, Ticket, TicketStatus
from service.store.rows import QUIET_CAUSES
from service.usecases.ports.tickets import Move

if TYPE_CHECKING:
    from service.store.moves import LockedAgent

TARGETS = frozenset({TicketStatus.RESOLVED, TicketStatus.SOLD})
"""What an agent may still make of a ticket that was taken back from them."""

TAKEN_BACK = frozenset({Cause.AWAY, Cause.HOLD_LIMIT})

NOTE = "late: the ticket had gone back to its queue"

# What last happened between each agent and ticket, and whether anything has happened to the ticket since.
_LAST = text(f"""
SELECT w.ticket_id, w.agent_id, e.cause, NOT EXISTS (
    SELECT FROM ticket_events l
    WHERE l.ticket_id = w.ticket_id AND l.id > e.id AND l.cause NOT IN ({QUIET_CAUSES})
) AS is_last
FROM unnest(CAST(:ticket_ids AS bigint[]), CAST(:agent_ids AS bigint[])) AS w (ticket_id, agent_id)
CROSS JOIN LATERAL (
    SELECT id, cause FROM ticket_events
    WHERE ticket_id = w.ticket_id AND w.agent_id IN (agent_id, from_agent_id) AND cause NOT IN ({QUIET_CAUSES})
    ORDER BY id DESC LIMIT 1
) e
""")  # noqa: S608 - the causes are our own

Last = Mapping[tuple[int, int | None], Any]
"""What last happened between tickets and agents, by their ids."""

_NOW = {
    TicketStatus.OPEN: "has been with another agent since; it is open again",
    TicketStatus.ASSIGNED: "is now assigned to another agent",
    TicketStatus.IN_PROGRESS: "is now in progress with another agent",
    TicketStatus.RESOLVED: "has been resolved by another agent",
    TicketStatus.CLOSED: "has been resolved by another agent and closed",
    TicketStatus.SOLD: "has been sold by another agent",
}


def last_between(connection: Connection, sought: Iterable[tuple[Ticket, Move]]) -> Last:
    """Read what last happened between those of the tickets and agents that a late move may concern."""
    pairs = [(before.id, wanted.holder_id) for before, wanted in sought if _may_be_late(before, wanted)]
    if not pairs:
        return {}
    values = {"ticket_ids": [pair[0] for pair in pairs], "agent_ids": [pair[1] for pair in pairs]}
    return {(row.ticket_id, row.agent_id): row for row in connection.execute(_LAST, values)}


def as_possible(before: Ticket, wanted: Move, agents: Mapping[int, LockedAgent], lasts: Last) -> Move:
    """Return the move as it is to be checked: from the queue, where a late agent wants it and it is not too late.

    The ticket and its agent are locked, and `lasts` was read under the locks. The epoch the agent knows may be the one
    of their hold, which the taking back raised by one. Raises `TicketTaken` where somebody else has had the ticket
    since, and `AgentInactive`.
    """
    last = lasts.get((before.id, wanted.holder_id)) if _may_be_late(before, wanted) else None
    if wanted.holder_id is None or last is None or last.cause not in TAKEN_BACK:
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


def _may_be_late(before: Ticket, wanted: Move) -> bool:
    return wanted.holder_id not in (None, before.agent_id) and wanted.target in TARGETS
