"""The arbiter: one guarded statement that decides who gets which ticket.

The agent's row is locked first, and its free room is read from the locked row: a `count(*)` in the same statement
would read the snapshot, which may be older than the lock, and overshoot the cap. The tickets are then locked by id and
looked at again under the lock; only what is open, undeleted and fit for the agent's level is taken, in the order asked.
History and the claim's own row are written by the same statement, so that there is no half of an assignment.

The whole hand comes with the answer: what was taken, and what the snapshot shows besides. Every change of a hand
writes the agent's row, so the snapshot's hand is the one under the lock where the row that was locked is the version
that the snapshot has; elsewhere no hand is told, and it has to be read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from service.domain.errors import AgentAway, AgentInactive, Conflict, NotFound
from service.domain.model import Availability, Cause, Level, Priority, QueuedTicket
from service.domain.policy import QUEUES_BY_LEVEL
from service.store.prepared import Prepared
from service.store.rows import HELD_SQL, PRIORITIES, SESSION_GOES_ON_SQL, TICKET_SQL, hand_from
from service.usecases.ports.tickets import Claimed, Supposed


def _array(values: Iterable[object]) -> str:
    """Write ids or priorities as PostgreSQL writes an array: the driver would adapt each of them by itself."""
    return "{" + ",".join(map(str, values)) + "}"


def _items(array: str | None) -> list[str]:
    """Read an array of numbers or words back; none is an empty one."""
    return array[1:-1].split(",") if array else []


_SENIOR_TAKES = _array(QUEUES_BY_LEVEL[Level.SENIOR])
_JUNIOR_TAKES = _array(QUEUES_BY_LEVEL[Level.JUNIOR])

RESTLESS_S = 10
"""How long after a change of a ticket hints about it may still be on their way to the queue."""


def _claim_sql(condition: str = "") -> str:
    """Word the statement; the agent's row must meet the `condition`, too, or there is no answer."""
    return f"""
WITH me AS MATERIALIZED (
    SELECT ctid AS version, id, level, availability, is_active, capacity - held AS room,
           auto_assign OR :cause <> 'dispatch' AS is_willing
    FROM agents
    WHERE id = :agent_id{condition}
    FOR NO KEY UPDATE
),
fit AS MATERIALIZED (
    SELECT t.id, t.priority, wanted.place,
           t.updated_at > greatest(t.created_at, now() - CAST(:restless_s AS integer) * interval '1 second') AS restless
    FROM me
    CROSS JOIN unnest(CAST(:ticket_ids AS bigint[])) WITH ORDINALITY AS wanted (id, place)
    JOIN tickets t ON t.id = wanted.id
    WHERE t.status = 'open' AND t.deleted_at IS NULL
      AND me.is_active AND me.availability = 'available' AND me.is_willing
      AND t.priority = ANY (CASE me.level WHEN 'senior' THEN CAST(:senior_takes AS text[])
                                          ELSE CAST(:junior_takes AS text[]) END)
    ORDER BY t.id
    FOR NO KEY UPDATE OF t
),
ranked AS (
    SELECT id, priority, row_number() OVER (ORDER BY place) AS rank FROM fit
),
taken AS (
    UPDATE tickets t
    SET status = 'assigned', agent_id = me.id, epoch = t.epoch + 1, assigned_at = now(), updated_at = now()
    FROM ranked, me
    WHERE t.id = ranked.id AND t.status = 'open' AND ranked.rank <= least(me.room, CAST(:limit AS integer))
    RETURNING ranked.rank, {TICKET_SQL}
),
hand AS (
    SELECT {TICKET_SQL} FROM tickets t
    WHERE t.agent_id = :agent_id AND t.status IN ({HELD_SQL}) AND t.deleted_at IS NULL
    UNION ALL
    SELECT {TICKET_SQL} FROM taken t
),
history AS (
    INSERT INTO ticket_events (ticket_id, cause, from_status, to_status, agent_id, actor_id, epoch)
    SELECT taken.id, :cause, 'open', 'assigned', me.id, CAST(:actor_id AS bigint), taken.epoch
    FROM taken, me ORDER BY taken.id
),
ledger AS (
    INSERT INTO claims (id, agent_id, ticket_ids)
    SELECT :claim_id, me.id, array_agg(taken.id ORDER BY taken.rank) FROM taken, me GROUP BY me.id
)
SELECT me.level, me.availability, me.is_active, me.is_willing, me.room,
       CAST((SELECT array_agg(id ORDER BY rank) FROM taken) AS text) AS taken,
       CAST((SELECT array_agg(id ORDER BY rank) FROM ranked) AS text) AS fit,
       CAST((SELECT array_agg(priority ORDER BY rank) FROM ranked) AS text) AS priorities,
       CAST((SELECT array_agg(id ORDER BY rank) FROM taken JOIN fit USING (id) WHERE restless) AS text) AS restless,
       CASE WHEN :cause = 'fetch' AND me.version = (SELECT ctid FROM agents WHERE id = :agent_id)
            THEN (SELECT coalesce(json_agg(json_build_array({TICKET_SQL}) ORDER BY t.id)::text, '[]') FROM hand t)
       END AS hand
FROM me
"""  # noqa: S608 - the columns and states are our own


_AS_SUPPOSED = f""" AND level = :level AND EXISTS (
        SELECT FROM sessions s JOIN users u ON u.id = s.user_id
        WHERE s.id = :session_id AND u.id = :agent_id AND u.role = 'agent' AND {SESSION_GOES_ON_SQL}
    )"""

_TYPES = {
    "agent_id": "bigint",
    "ticket_ids": "bigint[]",
    "limit": "integer",
    "claim_id": "uuid",
    "cause": "text",
    "actor_id": "bigint",
    "senior_takes": "text[]",
    "junior_takes": "text[]",
    "restless_s": "integer",
}

CLAIM = text(_claim_sql())
PREPARED_CLAIM = Prepared("claim", _claim_sql(), **_TYPES)
PREPARED_SUPPOSED_CLAIM = Prepared(
    "supposed_claim", _claim_sql(_AS_SUPPOSED), **_TYPES, session_id="uuid", level="text"
)
"""The same for an agent of whom nothing has been read yet: it checks that they are signed in, and of that level."""

# With `priority = :priority ORDER BY id` the primary key gives the order too, and the planner, which takes open tickets
# to lie everywhere among the sold ones, walks it through years of history. Only tickets_open_idx gives this order.
OLDEST = text("""
SELECT id FROM tickets
WHERE status = 'open' AND deleted_at IS NULL AND priority BETWEEN :priority AND :priority
ORDER BY priority, id
LIMIT :wanted
FOR NO KEY UPDATE SKIP LOCKED
""")

LOCK_AGENT = text("SELECT level, capacity - held AS room FROM agents WHERE id = :agent_id FOR NO KEY UPDATE")


class _Verdict(NamedTuple):
    """What the statement answers, column by column: lists as PostgreSQL writes them, `hand` as `hand_from` reads it.

    The driver would call a Python codec for every entry of an array.
    """

    level: str
    availability: str
    is_active: bool
    is_willing: bool
    room: int
    taken: str | None
    fit: str | None
    priorities: str | None
    restless: str | None
    hand: str | None


def claim(
    engine: Engine,
    *,
    claim_id: UUID,
    agent_id: int,
    ticket_ids: Sequence[int],
    limit: int,
    cause: Cause,
    supposed: Supposed | None = None,
) -> Claimed:
    """Assign those of the tickets that are open and fit, in the order given, up to the agent's room and `limit`.

    Where something is `supposed` that is not so, all are refused. Raises `NotFound` (no such agent), `AgentInactive`,
    `AgentAway`, and for the cause `dispatch` `Conflict` when the agent takes no tickets they did not ask for.
    """
    values = _values(str(claim_id), agent_id, ticket_ids, limit, cause)
    if supposed is None:
        found = PREPARED_CLAIM.rows(engine, values)
        return _claimed(found[0] if found else None, agent_id, ticket_ids)
    values |= {"session_id": str(supposed.session_id), "level": supposed.agent.level.value}
    found = PREPARED_SUPPOSED_CLAIM.rows(engine, values)
    return _claimed(found[0], agent_id, ticket_ids) if found else Claimed(refused=tuple(ticket_ids))


def _values(claim_id: object, agent_id: int, ticket_ids: Sequence[int], limit: int, cause: Cause) -> dict[str, Any]:
    return {
        "agent_id": agent_id,
        "ticket_ids": _array(ticket_ids),
        "limit": limit,
        "claim_id": claim_id,
        "cause": cause.value,
        "actor_id": agent_id if cause is Cause.FETCH else None,
        "senior_takes": _SENIOR_TAKES,
        "junior_takes": _JUNIOR_TAKES,
        "restless_s": RESTLESS_S,
    }


def _claimed(row: Sequence[Any] | None, agent_id: int, ticket_ids: Sequence[int]) -> Claimed:
    if row is None:
        raise NotFound(f"There is no agent {agent_id}")
    said = _Verdict(*row)
    if not said.is_active:
        raise AgentInactive("This agent is deactivated and gets no tickets; an admin can activate them again")
    if said.availability != Availability.AVAILABLE:
        raise AgentAway("You are away and get no new tickets; set your availability to 'available' first")
    if not said.is_willing:
        raise Conflict(f"Agent {agent_id} takes no tickets they did not ask for")
    fit = {
        ticket_id: QueuedTicket(ticket_id, PRIORITIES[priority])
        for ticket_id, priority in zip(map(int, _items(said.fit)), _items(said.priorities), strict=True)
    }
    taken = dict.fromkeys(map(int, _items(said.taken)))
    return Claimed(
        assigned=tuple(fit[ticket_id] for ticket_id in taken),
        cut=tuple(ticket for ticket_id, ticket in fit.items() if ticket_id not in taken),
        refused=tuple(ticket_id for ticket_id in ticket_ids if ticket_id not in fit),
        restless=tuple(fit[int(ticket_id)] for ticket_id in _items(said.restless)),
        hand=None if said.hand is None else hand_from(said.hand),
        is_full=said.room <= len(taken),
    )


def claim_oldest(
    connection: Connection,
    *,
    claim_id: UUID,
    agent_id: int,
    limit: int,
    cause: Cause,
    limits: Mapping[Priority, int] | None = None,
) -> Claimed:
    """Do without a queue: take the oldest open tickets that nobody else is taking. Raises as `claim`.

    With `limits`, take no more of each priority than its limit says. The tickets stay locked from the look to the
    claim, so nothing found is lost to somebody else.
    """
    agent = connection.execute(LOCK_AGENT, {"agent_id": agent_id}).one_or_none()
    found: list[int] = []
    if agent is not None:
        wanted = min(limit, agent.room)
        for priority in QUEUES_BY_LEVEL[Level(agent.level)]:
            still = wanted - len(found) if limits is None else min(wanted - len(found), limits.get(priority, 0))
            if still > 0:
                found += connection.execute(OLDEST, {"priority": priority.value, "wanted": still}).scalars()
    row = connection.execute(CLAIM, _values(claim_id, agent_id, found, limit, cause)).one_or_none()
    return _claimed(row, agent_id, found)
