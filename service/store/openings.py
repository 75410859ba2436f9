"""What a request of an agent begins with: who is calling and what they hold, in one statement and one round trip.

The session, the user and the hand are read at one moment, afresh on every request, so that what is answered from this
alone is true: a poll that finds the hand full needs nothing else (docs/adr/0024). Requests that come while others are
being read are read together (docs/adr/0047).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Engine

from service.domain.model import Availability, HandSeen, Level, Principal, Role, Taker
from service.store.gathering import Gathering
from service.store.prepared import Prepared
from service.store.rows import HELD_SQL, SESSION_GOES_ON_SQL, TICKET_SQL, ticket_of
from service.tracing import TRACER

_OPENING = f"""
SELECT u.id, u.username, u.role, a.level, a.availability, a.is_active, a.capacity, a.held, {TICKET_SQL}
FROM sessions s
JOIN users u ON u.id = s.user_id
LEFT JOIN agents a ON a.id = u.id AND u.role = 'agent'
LEFT JOIN tickets t ON t.agent_id = a.id AND t.status IN ({HELD_SQL}) AND t.deleted_at IS NULL
WHERE s.id = {{session_id}} AND {SESSION_GOES_ON_SQL}
ORDER BY t.id
"""  # noqa: S608 - the columns and states are our own

OPENING = Prepared("opening", _OPENING.format(session_id=":session_id"), session_id="uuid")

# For each session in turn what it would be told alone: nothing but a nested loop can do that, so the order within is
# kept. The sublink hides from the planner how many there are. It would make a plan for each call otherwise, as two
# sessions look cheaper than the ten that it expects of a parameter, and planning takes longer than all the rest.
OPENINGS = Prepared(
    "openings",
    f"""
SELECT asked.place::integer, opened.*
FROM unnest((SELECT :session_ids)) WITH ORDINALITY AS asked (session_id, place)
CROSS JOIN LATERAL ({_OPENING.format(session_id="asked.session_id")}) AS opened
""",  # noqa: S608 - as above
    session_ids="uuid[]",
)

_WHO = 8
"""How many columns of each row say who is calling; the others are a ticket's."""

_LEVELS = {level.value: level for level in Level}
_ROLES = {role.value: role for role in Role}
_AVAILABILITIES = {availability.value: availability for availability in Availability}


_Rows = list[tuple[Any, ...]]


class Openings:
    """What the requests of one process begin with: those that come while others are being read share a statement."""

    def __init__(self, engine: Engine, *, gathering: Callable[..., Gathering[str, _Rows]] = Gathering) -> None:
        self._engine = engine
        self._gathering = gathering(alone=self._alone, together=self._together)

    def principal_and_hand(self, session_id: UUID) -> tuple[Principal, HandSeen | None] | None:
        """Read who a session belongs to and, of an agent, what they hold; None when it, or the user, is over.

        Where traces are told each request reads for itself, so that its trace shows its own statement.
        """
        asked_at = time.monotonic()
        is_traced = TRACER in self._engine.get_execution_options()
        found = (self._alone if is_traced else self._gathering.ask)(str(session_id))
        if not found:
            return None
        user_id, username, role, *agent = found[0][:_WHO]
        principal = Principal(user_id=user_id, username=username, role=_ROLES[role], session_id=session_id)
        return principal, _hand(user_id, agent, found, asked_at)

    def _alone(self, session_id: str) -> _Rows:
        return OPENING.rows(self._engine, {"session_id": session_id})

    def _together(self, session_ids: Sequence[str]) -> list[_Rows]:
        found: list[_Rows] = [[] for _ in session_ids]
        for row in OPENINGS.rows(self._engine, {"session_ids": f"{{{','.join(session_ids)}}}"}):
            found[row[0] - 1].append(row[1:])
        return found


def _hand(agent_id: int, agent: list[Any], found: _Rows, asked_at: float) -> HandSeen | None:
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
