"""The backlog as the open rows show it."""

from __future__ import annotations

from sqlalchemy import Engine, text

from service.domain.model import Priority
from service.store.engine import statement
from service.usecases.ports.backlog import Backlog

# Two index-only passes: the first over tickets_open_idx, the second reads one entry of tickets_open_changed_idx.
COUNT = text("SELECT priority, count(*) FROM tickets WHERE status = 'open' AND deleted_at IS NULL GROUP BY priority")
OLDEST = text("""
SELECT extract(epoch FROM now() - min(updated_at))::float8 FROM tickets WHERE status = 'open' AND deleted_at IS NULL
""")


class PostgresBacklog:
    """Count what is open."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def backlog(self) -> Backlog:
        """Count the open rows of each priority and find the one that has waited longest."""
        with statement(self._engine) as connection:
            counted = {Priority(priority): int(count) for priority, count in connection.execute(COUNT)}
            oldest_s = connection.execute(OLDEST).scalar_one()
        return Backlog(
            open={priority: counted.get(priority, 0) for priority in Priority},
            oldest_open_s=None if oldest_s is None else max(0.0, float(oldest_s)),
        )
