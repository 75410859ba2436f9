"""The truth about unassigned work: see `service.usecases.ports.reconcile.AuditedTickets`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, Row, TextClause, text

from service.domain.model import Priority
from service.store.engine import statement
from service.store.rows import MAX_BIGINT
from service.usecases.ports.reconcile import OpenTicket

# By range and not by equality, so that only the index of open tickets has the order asked for: in a table just loaded
# the planner would else walk along the primary key, past every ticket closed long ago. As one array, which the driver
# reads in C: rows cost ten times as much, more than all else in a full run.
OPEN_PAGE = text("""
SELECT array_agg(id) AS ids FROM (
    SELECT id FROM tickets
    WHERE (priority, id) > (:priority, :after) AND priority <= :priority AND status = 'open' AND deleted_at IS NULL
    ORDER BY priority, id LIMIT :size
) AS page
""")

OPEN_STATES = text("""
SELECT id, priority, epoch, extract(epoch FROM clock_timestamp() - updated_at) AS age_s
FROM tickets
WHERE id = ANY (CAST(:ids AS bigint[])) AND status = 'open' AND deleted_at IS NULL
""")

# The bounds on age are literals of the database's clock, fixed before the first page, so that the pages fit together.
_CHANGED_PAGE = """
SELECT priority, array_agg(id ORDER BY updated_at, id) AS ids, min(updated_at) AS first_at, max(updated_at) AS last_at
FROM (
    SELECT id, priority, updated_at FROM tickets
    WHERE status = 'open' AND deleted_at IS NULL
      AND updated_at >= CAST(:since AS timestamptz) AND updated_at <= CAST(:until AS timestamptz)
      AND (updated_at, id) {0} (CAST(:beyond_at AS timestamptz), :beyond)
    ORDER BY updated_at {1}, id {1} LIMIT :size
) AS page
GROUP BY priority
"""

CHANGED_PAGE = text(_CHANGED_PAGE.format(">", "ASC"))

CHANGED_PAGE_BACK = text(_CHANGED_PAGE.format("<", "DESC"))

WINDOW = text("""
SELECT clock_timestamp() - CAST(:within_s AS double precision) * interval '1 second' AS since,
       clock_timestamp() - CAST(:older_than_s AS double precision) * interval '1 second' AS until
""")

MOMENT = text("SELECT clock_timestamp()")

CHANGED_SINCE = text("""
SELECT id FROM tickets WHERE id = ANY (CAST(:ids AS bigint[])) AND updated_at >= CAST(:since AS timestamptz)
""")

EPOCHS = text("""
SELECT id, epoch FROM tickets WHERE id = ANY (CAST(:ids AS bigint[]))
UNION ALL
SELECT id, epoch FROM archived_tickets WHERE id = ANY (CAST(:ids AS bigint[]))
""")

HELD = text("""
SELECT agent_id, array_agg(id) AS ids FROM tickets
WHERE agent_id = ANY (CAST(:agent_ids AS bigint[])) AND status IN ('assigned', 'in_progress') AND deleted_at IS NULL
GROUP BY agent_id
""")

HOLDING = text("""
SELECT agent_id, count(*) AS held FROM tickets
WHERE status IN ('assigned', 'in_progress') AND deleted_at IS NULL
GROUP BY agent_id
""")


LOOKED_UP = 1_000
"""Ids in one statement."""

_PRIORITIES = {priority.value: priority for priority in Priority}


class PostgresOpenTickets:
    """Read open tickets and hands from PostgreSQL, page by page; nothing here writes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def open_pages(self, priority: Priority, *, size: int) -> Iterator[list[int]]:
        """Walk the index of open tickets; each page is a statement of its own, and sees what was committed by then."""
        after = 0
        while page := self._all(OPEN_PAGE, priority=priority.value, after=after, size=size)[0].ids:
            yield page
            after = page[-1]

    def changed_pages(
        self, *, within_s: float, older_than_s: float, size: int, newest_first: bool = False
    ) -> Iterator[dict[Priority, list[int]]]:
        """Walk the index of recent changes."""
        [window] = self._all(WINDOW, within_s=within_s, older_than_s=older_than_s)
        page, at, beyond = CHANGED_PAGE, window.since, 0
        if newest_first:
            page, at, beyond = CHANGED_PAGE_BACK, window.until, MAX_BIGINT
        while rows := self._all(page, since=window.since, until=window.until, beyond_at=at, beyond=beyond, size=size):
            if newest_first:
                at, beyond = min((row.first_at, row.ids[0]) for row in rows)
            else:
                at, beyond = max((row.last_at, row.ids[-1]) for row in rows)
            yield {_PRIORITIES[row.priority]: sorted(row.ids) for row in rows}

    def open_states(self, ids: Sequence[int]) -> dict[int, OpenTicket]:
        """Look the ids up, a few thousand at a time: a driver's rows take more memory than what is made of them."""
        found: dict[int, OpenTicket] = {}
        for first in range(0, len(ids), LOOKED_UP):
            for row in self._all(OPEN_STATES, ids=list(ids[first : first + LOOKED_UP])):
                ticket = _open_ticket(row)
                found[ticket.id] = ticket
        return found

    def moment(self) -> datetime:
        """Read the clock."""
        [row] = self._all(MOMENT)
        found: datetime = row[0]
        return found

    def changed_since(self, ids: Sequence[int], since: datetime) -> frozenset[int]:
        """Look the ids up."""
        return frozenset(row.id for row in self._all(CHANGED_SINCE, ids=list(ids), since=since)) if ids else frozenset()

    def still_open(self, ids: Sequence[int]) -> dict[int, Priority]:
        """Look the ids up."""
        return {ticket.id: ticket.priority for ticket in self.open_states(ids).values()}

    def known_epochs(self, ids: Sequence[int]) -> dict[int, int]:
        """Look the ids up, whatever their state; deleted tickets count as existing."""
        return {row.id: row.epoch for row in self._all(EPOCHS, ids=list(ids))} if ids else {}

    def held_by(self, agent_id: int) -> frozenset[int]:
        """Read one agent's hand."""
        return self.held_by_each([agent_id]).get(agent_id, frozenset())

    def held_by_each(self, agent_ids: Sequence[int]) -> dict[int, frozenset[int]]:
        """Read several hands in one statement."""
        rows = self._all(HELD, agent_ids=list(agent_ids)) if agent_ids else []
        return {row.agent_id: frozenset(row.ids) for row in rows}

    def agents_holding(self) -> dict[int, int]:
        """Count by agent."""
        return {row.agent_id: row.held for row in self._all(HOLDING)}

    def _all(self, query: TextClause, **values: Any) -> Sequence[Row[Any]]:
        with statement(self._engine) as connection:
            return connection.execute(query, values).all()


def _open_ticket(row: Row[Any]) -> OpenTicket:
    return OpenTicket(id=row.id, priority=_PRIORITIES[row.priority], epoch=row.epoch, age_s=float(row.age_s))
