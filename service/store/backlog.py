"""The backlog as the open rows show it."""

from __future__ import annotations

from sqlalchemy import Engine, text

from service.domain.model import Priority
from service.store.engine import statement
from service.usecases.ports.backlog import COUNTED_AT_ONCE, Backlog

# An index-only pass over tickets_open_idx.
COUNT = text("SELECT priority, count(*) FROM tickets WHERE status = 'open' AND deleted_at IS NULL GROUP BY priority")

# By BETWEEN and not by equality, for the reason given below.
COUNT_SOME = text(f"""
SELECT count(*) FROM (
    SELECT 1 FROM tickets
    WHERE status = 'open' AND deleted_at IS NULL AND priority BETWEEN :priority AND :priority LIMIT {COUNTED_AT_ONCE}
) AS open_ones
""")  # noqa: S608 - a number of our own

# Creation order is the order of ids, so the first open ticket that never came back has waited longest of those; for the
# others there is an index. As in the arbiter, only BETWEEN keeps the planner from walking the primary key.
OLDEST = text("""
SELECT extract(epoch FROM now() - least(
    (SELECT created_at FROM tickets
     WHERE status = 'open' AND deleted_at IS NULL AND requeued_at IS NULL AND priority BETWEEN :priority AND :priority
     ORDER BY priority, id LIMIT 1),
    (SELECT requeued_at FROM tickets
     WHERE status = 'open' AND deleted_at IS NULL AND requeued_at IS NOT NULL
       AND priority BETWEEN :priority AND :priority
     ORDER BY priority, requeued_at LIMIT 1)
))::float8
""")


class PostgresBacklog:
    """Count what is open."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def backlog(self) -> Backlog:
        """Count some open rows of each priority and find the one that has waited longest."""
        with statement(self._engine) as connection:
            counted = {
                priority: connection.execute(COUNT_SOME, {"priority": priority.value}).scalar_one()
                for priority in Priority
            }
            oldest = {
                priority: connection.execute(OLDEST, {"priority": priority.value}).scalar_one() for priority in Priority
            }
        return Backlog(
            open=counted,
            waited_s={priority: max(0.0, float(age_s)) for priority, age_s in oldest.items() if age_s is not None},
        )

    def count_all(self) -> dict[Priority, int]:
        """Count the open rows of each priority along their index."""
        with statement(self._engine) as connection:
            counted = {Priority(priority): int(count) for priority, count in connection.execute(COUNT)}
        return {priority: counted.get(priority, 0) for priority in Priority}
