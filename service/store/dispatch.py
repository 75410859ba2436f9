"""Dispatch's view of PostgreSQL: see `service.usecases.ports.dispatch.DispatchStore` for what each method promises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, Engine, RowMapping, text

from service.domain.dispatch import DISPATCHED_TO, Candidate
from service.domain.model import Level, Priority
from service.store.engine import statement, transaction
from service.usecases.ports.dispatch import Board, DispatchDay, DispatchRun, Ended, RecordedRun, Takers, Waits

_CAN_TAKE = "a.auto_assign AND a.is_active AND a.availability = 'available' AND a.held < a.capacity"

# Their history by agent and id tells when they were last given a ticket; `agents` need not be written for it.
# Both columns in the order, so that this index alone gives it.
CANDIDATES = text(f"""
SELECT a.id AS agent_id, a.level, a.held, a.capacity, coalesce(given.at, a.created_at) AS idle_since
FROM agents a
LEFT JOIN LATERAL (
    SELECT e.at FROM ticket_events e
    WHERE e.agent_id = a.id AND e.to_status = 'assigned' AND e.cause IN ('fetch', 'dispatch', 'reassign')
    ORDER BY e.agent_id DESC, e.id DESC LIMIT 1
) AS given ON true
WHERE {_CAN_TAKE}
ORDER BY a.id
""")  # noqa: S608 - the condition is our own

# BETWEEN and the order by both columns for the same reason as in `service.store.arbiter.OLDEST`.
_OPEN = """
SELECT id FROM tickets WHERE status = 'open' AND deleted_at IS NULL AND priority BETWEEN :{0} AND :{0}
ORDER BY priority, id LIMIT :most
"""

OLDEST = text(_OPEN.format("priority"))

_COUNTS = (f"(SELECT count(*) FROM ({_OPEN.format(p.value)}) AS seen) AS n_{p.value}" for p in Priority)  # noqa: S608

WAITING = text(f"SELECT {', '.join(_COUNTS)}")

LEVELS_WITH_ROOM = text(f"SELECT DISTINCT a.level FROM agents a WHERE {_CAN_TAKE}")  # noqa: S608 - our own condition

TAKERS_AS_JSON = """
SELECT coalesce(jsonb_object_agg(level, to_jsonb(counted) - 'level'), '{}') AS by_level FROM (
SELECT level, count(*) AS willing,
       count(*) FILTER (WHERE availability = 'available') AS available,
       count(*) FILTER (WHERE availability = 'available' AND held < capacity) AS with_room,
       coalesce(sum(capacity - held) FILTER (WHERE availability = 'available'), 0) AS room
FROM agents WHERE auto_assign AND is_active GROUP BY level
) AS counted
"""

TAKERS = text(TAKERS_AS_JSON)

# A ticket that history does not know the opening of has lain open since it was made.
WAITS = text("""
SELECT coalesce(sum(ms), 0)::bigint AS total_ms, coalesce(max(ms), 0)::bigint AS longest_ms
FROM (
    SELECT extract(epoch FROM given.at - coalesce(opened.at, t.created_at)) * 1000 AS ms
    FROM tickets t
    CROSS JOIN LATERAL (SELECT e.id, e.at FROM ticket_events e WHERE e.ticket_id = t.id AND e.cause = 'dispatch'
                        ORDER BY e.ticket_id DESC, e.id DESC LIMIT 1) AS given
    LEFT JOIN LATERAL (SELECT e.at FROM ticket_events e WHERE e.ticket_id = t.id AND e.id < given.id
                         AND e.to_status = 'open' AND e.from_status IS DISTINCT FROM 'open'
                       ORDER BY e.ticket_id DESC, e.id DESC LIMIT 1) AS opened ON true
    WHERE t.id = ANY (CAST(:ids AS bigint[]))
) AS waited
""")

RECORD = text("""
INSERT INTO dispatches (trigger, started_at, rounds, agents, dispatched, refused, wait_ms_total, wait_ms_longest, ended)
VALUES (:trigger, now() - CAST(:took_s AS double precision) * interval '1 second', :rounds, :agents, :dispatched,
        :refused, :wait_ms_total, :wait_ms_longest, :ended)
""")

FORGET = text("DELETE FROM dispatches WHERE finished_at < now() - interval '30 days'")

RECENT = text("SELECT * FROM dispatches ORDER BY id DESC LIMIT :limit")

LAST_DAY = text("""
SELECT count(*) AS runs, coalesce(sum(rounds), 0)::bigint AS rounds, coalesce(sum(dispatched), 0)::bigint AS dispatched,
       coalesce(sum(refused), 0)::bigint AS refused, coalesce(sum(wait_ms_total), 0)::bigint AS total_ms,
       coalesce(max(wait_ms_longest), 0) AS longest_ms
FROM dispatches WHERE finished_at > now() - interval '1 day'
""")


class PostgresDispatch:
    """Read what dispatch plans on, and keep its records."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def is_needed(self) -> bool:
        """Look for agents with room, of whom there are mostly none, and only then for tickets."""
        with statement(self._engine) as connection:
            levels = {Level(level) for level in connection.execute(LEVELS_WITH_ROOM).scalars()}
            if not levels:
                return False
            waiting = _waiting(connection, most=1)
        return any(waiting[priority] and levels & _takers_of(priority) for priority in Priority)

    def board(self) -> Board:
        """Read candidates, then what waits. Neither is locked: whoever is given a ticket is decided by the arbiter."""
        with statement(self._engine) as connection:
            candidates = tuple(_candidate(row) for row in connection.execute(CANDIDATES).mappings())
            room = sum(each.capacity - each.held for each in candidates)
            return Board(candidates=candidates, waiting=_waiting(connection, most=max(1, room)))

    def oldest(self, counts: Mapping[Priority, int]) -> Mapping[Priority, tuple[int, ...]]:
        """Read the heads of the queues as they should be."""
        with statement(self._engine) as connection:
            return {
                priority: tuple(connection.execute(OLDEST, {"priority": priority.value, "most": count}).scalars())
                for priority, count in counts.items()
            }

    def takers(self) -> Mapping[Level, Takers]:
        """Count by level."""
        with statement(self._engine) as connection:
            return takers_from(connection.execute(TAKERS).scalar_one())

    def waiting(self) -> frozenset[Priority]:
        """Look for one of each."""
        with statement(self._engine) as connection:
            waiting = _waiting(connection, most=1)
        return frozenset(priority for priority, count in waiting.items() if count)

    def waits(self, ticket_ids: Sequence[int]) -> Waits:
        """Read the tickets' own histories."""
        with statement(self._engine) as connection:
            return Waits(**connection.execute(WAITS, {"ids": list(ticket_ids)}).mappings().one())

    def record(self, run: DispatchRun) -> None:
        """Write a row."""
        values = {
            "trigger": run.trigger,
            "took_s": run.took_s,
            "rounds": run.rounds,
            "agents": run.agents,
            "dispatched": run.dispatched,
            "refused": run.refused,
            "wait_ms_total": run.waits.total_ms,
            "wait_ms_longest": run.waits.longest_ms,
            "ended": run.ended.value,
        }
        with transaction(self._engine) as connection:
            connection.execute(RECORD, values)
            connection.execute(FORGET)

    def recent(self, *, limit: int) -> Sequence[RecordedRun]:
        """Read rows from the end."""
        with statement(self._engine) as connection:
            return [_recorded(row) for row in connection.execute(RECENT, {"limit": limit}).mappings()]

    def last_day(self) -> DispatchDay:
        """Add up the day's rows."""
        with statement(self._engine) as connection:
            row = connection.execute(LAST_DAY).one()
        return DispatchDay(
            runs=row.runs,
            rounds=row.rounds,
            dispatched=row.dispatched,
            refused=row.refused,
            waits=Waits(total_ms=row.total_ms, longest_ms=row.longest_ms),
        )


def _waiting(connection: Connection, *, most: int) -> dict[Priority, int]:
    row = connection.execute(WAITING, {"most": most, **{p.value: p.value for p in Priority}}).mappings().one()
    return {priority: row[f"n_{priority.value}"] for priority in Priority}


def _takers_of(priority: Priority) -> frozenset[Level]:
    return frozenset().union(*DISPATCHED_TO[priority])


def _candidate(row: RowMapping) -> Candidate:
    return Candidate(**{**row, "level": Level(row["level"])})


def takers_from(counted: Mapping[str, Mapping[str, int]]) -> dict[Level, Takers]:
    """Build from what `TAKERS_AS_JSON` counted; a level that nobody has is left out there."""
    return {level: Takers(**counted.get(level.value, {})) for level in Level}


def _recorded(row: RowMapping) -> RecordedRun:
    run = DispatchRun(
        trigger=row["trigger"],
        took_s=(row["finished_at"] - row["started_at"]).total_seconds(),
        rounds=row["rounds"],
        agents=row["agents"],
        dispatched=row["dispatched"],
        refused=row["refused"],
        waits=Waits(total_ms=row["wait_ms_total"], longest_ms=row["wait_ms_longest"]),
        ended=Ended(row["ended"]),
    )
    return RecordedRun(id=row["id"], started_at=row["started_at"], finished_at=row["finished_at"], run=run)
