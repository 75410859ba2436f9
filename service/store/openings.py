"""What a request of an agent begins with: who is calling and what they hold, in one statement and one round trip.

The session, the user and the hand are read at one moment, afresh on every request, so that what is answered from this
alone is true: a poll that finds the hand full needs nothing else (docs/adr/0024).
"""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

from sqlalchemy import Engine

from service.domain.model import Availability, HandSeen, Level, Principal, Role, Taker
from service.store.prepared import Prepared
from service.store.rows import HELD_SQL, TICKET_SQL, ticket_of

# The conditions are those of `service.store.sessions.PRINCIPAL`; a test holds the two together.
OPENING = Prepared(
    "opening",
    f"""
SELECT u.id, u.username, u.role, a.level, a.availability, a.is_active, a.capacity, a.held, {TICKET_SQL}
FROM sessions s
JOIN users u ON u.id = s.user_id
LEFT JOIN agents a ON a.id = u.id AND u.role = 'agent'
LEFT JOIN tickets t ON t.agent_id = a.id AND t.status IN ({HELD_SQL}) AND t.deleted_at IS NULL
WHERE s.id = :session_id AND s.revoked_at IS NULL AND s.expires_at > now() AND u.is_active AND u.deleted_at IS NULL
ORDER BY t.id
""",  # noqa: S608 - the columns and states are our own
    session_id="uuid",
)

_WHO = 8
"""How many columns of each row say who is calling; the others are a ticket's."""

_LEVELS = {level.value: level for level in Level}
_ROLES = {role.value: role for role in Role}
_AVAILABILITIES = {availability.value: availability for availability in Availability}


def principal_and_hand(engine: Engine, session_id: UUID) -> tuple[Principal, HandSeen | None] | None:
    """Read who a session belongs to and, of an agent, what they hold; None when the session, or the user, is over."""
    asked_at = time.monotonic()
    found = OPENING.rows(engine, {"session_id": str(session_id)})
    if not found:
        return None
    user_id, username, role, *agent = found[0][:_WHO]
    principal = Principal(user_id=user_id, username=username, role=_ROLES[role], session_id=session_id)
    return principal, _hand(user_id, agent, found, asked_at)


def _hand(agent_id: int, agent: list[Any], found: list[tuple[Any, ...]], asked_at: float) -> HandSeen | None:
    level, availability, is_active, capacity, held = agent
    if level is None:
        return None
    taker = Taker(
        id=agent_id,
        level=_LEVELS[level],
        availability=_AVAILABILITIES[availability],
        is_active=is_active,
        capacity=capacity,
        held=held,
    )
    tickets = tuple(ticket_of(row[_WHO:]) for row in found if row[_WHO] is not None)
    return HandSeen(agent=taker, tickets=tickets, asked_at=asked_at)
