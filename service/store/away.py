"""Agents who have been away for long: see `service.usecases.ports.away.AwayStore` for what each method promises.

PostgreSQL's clock alone decides, and it decides under the agent's row lock: whoever comes back either has done so
before the lock is taken, and keeps everything, or waits until the tickets are gone.
"""

from __future__ import annotations

from sqlalchemy import Engine, text

from service.domain.model import Cause, QueuedTicket
from service.store.engine import statement, transaction
from service.store.returns import return_untouched
from service.usecases.ports.away import LongAway

_LONG_AWAY = "away_since < clock_timestamp() - CAST(:grace_s AS double precision) * interval '1 second'"

HOLDING = text(f"""
SELECT a.id FROM agents a
WHERE {_LONG_AWAY} AND EXISTS (
    SELECT FROM tickets t WHERE t.agent_id = a.id AND t.status = 'assigned' AND t.deleted_at IS NULL
)
ORDER BY a.id
""")  # noqa: S608 - the condition is our own

_LOCK = text(f"SELECT 1 FROM agents WHERE id = :agent_id AND {_LONG_AWAY} FOR NO KEY UPDATE")  # noqa: S608


class PostgresAway:
    """Find agents who are away, and take back what they have not touched."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def holding_untouched(self, away: LongAway) -> list[int]:
        """Find agents by one statement."""
        with statement(self._engine) as connection:
            return list(connection.execute(HOLDING, {"grace_s": away.grace_s}).scalars())

    def return_untouched(self, agent_id: int, away: LongAway) -> list[QueuedTicket]:
        """Lock the agent if they are still away for that long, then open their assigned tickets."""
        with transaction(self._engine) as connection:
            locked = connection.execute(_LOCK, {"agent_id": agent_id, "grace_s": away.grace_s})
            if locked.one_or_none() is None:
                return []
            return return_untouched(connection, agent_id=agent_id, cause=Cause.AWAY, note=away.note)
