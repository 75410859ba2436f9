"""Where tickets are now: see `service.usecases.ports.tickets.TicketPlaces`."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine, text

from service.domain.model import IN_QUEUE, InHand, Place, Priority
from service.store.engine import statement

PLACES = text("""
SELECT id, priority, agent_id FROM tickets
WHERE id = ANY (CAST(:ids AS bigint[])) AND status IN ('open', 'assigned', 'in_progress') AND deleted_at IS NULL
""")

# The same conditions, so that the same index is read. That of open tickets by priority would be read from end to end by
# a planner that takes them to be few.
OPEN = text("""
SELECT count(*) FILTER (WHERE priority = :priority AND status = 'open') FROM tickets
WHERE id = ANY (CAST(:ids AS bigint[])) AND status IN ('open', 'assigned', 'in_progress') AND deleted_at IS NULL
""")

_IN_QUEUE = {priority.value: IN_QUEUE[priority] for priority in Priority}


class PostgresPlaces:
    """Look places up by the primary key."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def places(self, ids: Sequence[int]) -> dict[int, Place]:
        """Read open and held tickets; an open one has no agent."""
        with statement(self._engine) as connection:
            found = connection.execute(PLACES, {"ids": list(ids)}).all()
        return {
            ticket_id: _IN_QUEUE[priority] if agent_id is None else InHand(agent_id)
            for ticket_id, priority, agent_id in found
        }

    def all_open(self, ids: Sequence[int], priority: Priority) -> bool:
        """Count those that are."""
        written = "{" + ",".join(map(str, ids)) + "}"  # the driver would adapt each by itself
        with statement(self._engine) as connection:
            found = connection.execute(OPEN, {"ids": written, "priority": priority.value}).scalar_one()
        return bool(found == len(ids))
