"""The invariants as PostgreSQL's rows show them: see `service.usecases.ports.invariants.InvariantStore`.

Each statement looks at one page, so that none runs long and memory does not grow, and sees rows and events as of one
instant: what it reports is wrong at that instant, whatever else is going on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, Row, TextClause, text

from service.store.engine import statement
from service.usecases.ports.invariants import EXAMPLES, Finding

PAGE = 5_000
"""Tickets, or claims, looked at by one statement."""

MAX_BIGINT = 2**63 - 1

FIRST_UUID = "00000000-0000-0000-0000-000000000000"

_NEXT_TICKETS = """
SELECT max(id) AS upto, count(*) AS looked_at
FROM (SELECT id FROM tickets WHERE id > :after ORDER BY id LIMIT :size) AS page
"""

# An event names the agent who has the ticket afterwards, or, when it went back, the one who lost it.
# The cause `delete` with a state to go to is the deletion of its agent, not of the ticket.
_REPLAY = """
WITH step AS MATERIALIZED (
    SELECT id, ticket_id, cause, from_status, to_status, epoch, holder, priority,
           lag(id) OVER past IS NULL AS is_first, lead(id) OVER past IS NULL AS is_last,
           lag(epoch) OVER past AS epoch_before, lag(holder) OVER past AS holder_before,
           lag(to_status) OVER past AS status_before
    FROM (SELECT *, CASE WHEN to_status = 'open' THEN NULL ELSE agent_id END AS holder
          FROM ticket_events WHERE ticket_id > :after AND ticket_id <= :upto) AS event
    WINDOW past AS (PARTITION BY ticket_id ORDER BY id)
),
prioritised AS MATERIALIZED (
    SELECT DISTINCT ON (ticket_id) ticket_id, priority FROM step WHERE priority IS NOT NULL ORDER BY ticket_id, id DESC
),
ending AS MATERIALIZED (
    SELECT t.id, t.agent_id, t.status, t.epoch, t.priority, t.deleted_at IS NOT NULL AS deleted,
           s.holder, s.cause = 'delete' AND s.to_status IS NULL AS said_deleted,
           s.epoch AS last_epoch, coalesce(s.to_status, s.from_status) AS last_status, p.priority AS last_priority
    FROM tickets t
    LEFT JOIN step s ON s.ticket_id = t.id AND s.is_last
    LEFT JOIN prioritised p ON p.ticket_id = t.id
    WHERE t.id > :after AND t.id <= :upto
),
broken (code, ticket_id, what) AS (
    SELECT 'I1', id, 'is with agent ' || coalesce(agent_id::text, 'nobody') || ', its history says '
        || coalesce(holder::text, 'nobody')
    FROM ending WHERE holder IS DISTINCT FROM agent_id
    UNION ALL
    SELECT 'I1', ticket_id, 'was dealt to agent ' || holder || ' while agent ' || holder_before || ' had it'
    FROM step WHERE cause IN ('fetch', 'dispatch') AND holder <> holder_before
    UNION ALL
    SELECT 'I3', ticket_id, 'has a history but no row'
    FROM step WHERE is_last AND NOT EXISTS (SELECT FROM ending WHERE ending.id = step.ticket_id)
    UNION ALL
    SELECT 'I3', id, 'is deleted without a word in its history'
    FROM ending WHERE deleted AND said_deleted IS NOT TRUE
    UNION ALL
    SELECT 'I9', ticket_id, 'changed hands from epoch ' || epoch_before || ' to ' || epoch
    FROM step
    WHERE NOT is_first
      AND (epoch < epoch_before OR (holder IS DISTINCT FROM holder_before AND epoch <= epoch_before))
    UNION ALL
    SELECT 'I9', id, 'has epoch ' || epoch || ', its history ' || last_epoch
    FROM ending WHERE epoch <> last_epoch
    UNION ALL
    SELECT 'I11', ticket_id, 'was ' || coalesce(status_before, 'deleted') || ' before it went from '
        || coalesce(from_status, 'nothing') || ' to ' || coalesce(to_status, 'deleted')
    FROM step
    WHERE NOT is_first
      AND (from_status IS DISTINCT FROM status_before OR (from_status = 'sold' AND to_status <> 'sold'))
    UNION ALL
    SELECT 'I11', id, 'is ' || status || ', its history says ' || last_status
    FROM ending WHERE status <> last_status
    UNION ALL
    SELECT 'I11', id, 'has priority ' || priority || ', its history says ' || last_priority
    FROM ending WHERE priority <> last_priority
    UNION ALL
    SELECT 'I11', id, 'was deleted and is there again'
    FROM ending WHERE NOT deleted AND said_deleted
    UNION ALL
    SELECT 'I1', id, 'is in the archive and out of it'
    FROM ending WHERE EXISTS (SELECT FROM elsewhere WHERE elsewhere.id = ending.id)
)
SELECT code, count(*) AS violations,
       (array_agg('ticket ' || ticket_id || ' ' || what ORDER BY ticket_id))[1:5] AS examples
FROM broken GROUP BY code
"""


@dataclass(frozen=True, slots=True)
class _Replayed:
    """Tickets and their histories in one place: those that are worked on, or the archive."""

    next_tickets: TextClause
    replay: TextClause


def _replayed(tickets: str, events: str, elsewhere: str) -> _Replayed:
    def there(query: str) -> TextClause:
        query = query.replace("FROM tickets ", f"FROM {tickets} ").replace("FROM tickets\n", f"FROM {tickets}\n")
        return text(
            query.replace("FROM ticket_events ", f"FROM {events} ").replace(
                "FROM elsewhere ", f"FROM {elsewhere} AS elsewhere "
            )
        )

    return _Replayed(next_tickets=there(_NEXT_TICKETS), replay=there(_REPLAY))


PLACES = (
    _replayed("tickets", "ticket_events", "archived_tickets"),
    _replayed("archived_tickets", "archived_ticket_events", "tickets"),
)

HANDS = text("""
SELECT a.id, a.capacity, a.held, coalesce(h.counted, 0) AS counted
FROM agents a
LEFT JOIN (SELECT agent_id, count(*) AS counted FROM tickets
           WHERE status IN ('assigned', 'in_progress') AND deleted_at IS NULL GROUP BY agent_id) h ON h.agent_id = a.id
ORDER BY a.id
""")

STANDING_GUARDS = text("""
SELECT conname FROM pg_constraint WHERE conrelid = CAST('agents' AS regclass) AND contype = 'c' AND convalidated
UNION ALL
SELECT tgname FROM pg_trigger WHERE tgrelid = CAST('tickets' AS regclass) AND tgenabled IN ('O', 'A')
""")

GUARDS = (
    "agents_capacity_range",
    "agents_held_within_capacity",
    "tickets_count_held_insert",
    "tickets_count_held_update",
    "tickets_count_held_delete",
    "tickets_refuse_unfenced_move",
)
"""What keeps the cap and the single holder on every write path; see migration 0001."""

CLAIMS = text("""
WITH page AS MATERIALIZED (
    SELECT id, agent_id, ticket_ids FROM claims WHERE id > CAST(:after AS uuid) ORDER BY id LIMIT :size
),
broken AS (
    SELECT page.id, page.agent_id, claimed.ticket_id
    FROM page CROSS JOIN unnest(page.ticket_ids) AS claimed (ticket_id)
    WHERE NOT EXISTS (SELECT FROM ticket_events e
                      WHERE e.ticket_id = claimed.ticket_id AND e.agent_id = page.agent_id AND e.to_status = 'assigned')
      AND NOT EXISTS (SELECT FROM archived_ticket_events e
                      WHERE e.ticket_id = claimed.ticket_id AND e.agent_id = page.agent_id AND e.to_status = 'assigned')
)
SELECT (SELECT id FROM page ORDER BY id DESC LIMIT 1) AS upto,
       (SELECT count(*) FROM page) AS looked_at,
       count(*) AS violations,
       (array_agg('agent ' || agent_id || ' was given ticket ' || ticket_id || ' by claim ' || id
                  || ', its history does not know'))[1:5] AS examples
FROM broken
""")

KEYS = text("""
WITH broken AS (
    SELECT user_id, key, 'shares its operation with another key' AS how
    FROM (SELECT user_id, key, count(*) OVER (PARTITION BY operation_id) AS times FROM idempotency_keys) AS shared
    WHERE times > 1
    UNION ALL
    SELECT user_id, key, 'was answered 201, but its operation created nothing'
    FROM idempotency_keys k
    WHERE status = 201 AND NOT EXISTS (SELECT FROM tickets t WHERE t.operation_id = k.operation_id)
      AND NOT EXISTS (SELECT FROM ticket_events e WHERE e.operation_id = k.operation_id)
    UNION ALL
    SELECT user_id, key, 'fetched for agent ' || c.agent_id
    FROM idempotency_keys k JOIN claims c ON c.id = k.operation_id
    WHERE c.agent_id <> k.user_id
)
SELECT (SELECT count(*) FROM idempotency_keys) AS looked_at, count(*) AS violations,
       (array_agg('key ' || key || ' of user ' || user_id || ' ' || how))[1:5] AS examples
FROM broken
""")

REPAIRS = text("""
SELECT count(DISTINCT run.id) AS looked_at, coalesce(sum(kind.repaired), 0) AS violations,
       (array_agg('run ' || run.id || ' repaired ' || kind.repaired || ' ' || kind.name ORDER BY run.id DESC)
        FILTER (WHERE kind.repaired > 0))[1:5] AS examples
FROM (SELECT id, repaired FROM reconciliations
      WHERE status = 'done' AND NOT dry_run ORDER BY id DESC LIMIT :runs) AS run
LEFT JOIN LATERAL (SELECT key AS name, CAST(value AS bigint) AS repaired
                   FROM jsonb_each_text(run.repaired)) AS kind ON true
""")


class PostgresInvariants:
    """Look for violations in PostgreSQL."""

    def __init__(self, engine: Engine, *, page_size: int = PAGE) -> None:
        self._engine = engine
        self._page_size = page_size

    def histories(self) -> Mapping[str, Finding]:
        """Replay the events of a page of tickets after the other, and then of those in the archive."""
        found: dict[str, Finding] = defaultdict(Finding)
        for place in PLACES:
            for after, upto, looked_at in self._ticket_ranges(place):
                for row in self._all(place.replay, after=after, upto=upto):
                    found[row.code] += _finding(row)
                for code in ("I1", "I3", "I9", "I11"):
                    found[code] += Finding(looked_at=looked_at)
        return found

    def hands(self) -> Mapping[str, Finding]:
        """Count held rows by agent."""
        found = {"I2": self._fallen_guards(), "I7": Finding()}
        for row in self._all(HANDS):
            over = f"agent {row.id} holds {row.counted} of {row.capacity}"
            found["I2"] += _one(over if row.counted > row.capacity else None)
            wrong = f"agent {row.id} holds {row.counted}, the counter says {row.held}"
            found["I7"] += _one(wrong if row.counted != row.held else None)
        return found

    def claims(self) -> Mapping[str, Finding]:
        """Look for the event of each ticket in a page of claims after the other."""
        dealt = Finding()
        after: object = FIRST_UUID
        while after is not None:
            (row,) = self._all(CLAIMS, after=str(after), size=self._page_size)
            dealt += _finding(row, looked_at=row.looked_at)
            after = row.upto
        (keys,) = self._all(KEYS)
        return {"I4": dealt, "I10": _finding(keys, looked_at=int(keys.looked_at))}

    def repairs(self, *, runs: int) -> Finding:
        """Sum up the counts that the runs recorded."""
        (row,) = self._all(REPAIRS, runs=runs)
        return _finding(row, looked_at=row.looked_at)

    def _fallen_guards(self) -> Finding:
        standing = {name for (name,) in self._all(STANDING_GUARDS)}
        fallen = [guard for guard in GUARDS if guard not in standing]
        return Finding(
            violations=len(fallen), examples=tuple(f"guard {guard} is missing" for guard in fallen[:EXAMPLES])
        )

    def _ticket_ranges(self, place: _Replayed) -> Iterator[tuple[int, int, int]]:
        """Cut the ids into ranges of a page of tickets each; the last one goes on beyond all tickets."""
        after = 0
        while True:
            (row,) = self._all(place.next_tickets, after=after, size=self._page_size)
            if row.upto is None:
                yield after, MAX_BIGINT, 0
                return
            yield after, row.upto, row.looked_at
            after = row.upto

    def _all(self, query: TextClause, **values: Any) -> list[Row[Any]]:
        with statement(self._engine) as connection:
            return list(connection.execute(query, values))


def _finding(row: Row[Any], *, looked_at: int = 0) -> Finding:
    return Finding(violations=int(row.violations), examples=tuple(row.examples or ()), looked_at=looked_at)


def _one(violation: str | None) -> Finding:
    """Count one thing looked at, and what is wrong with it if anything is."""
    if violation is None:
        return Finding(looked_at=1)
    return Finding(violations=1, examples=(violation,), looked_at=1)
