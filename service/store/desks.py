"""Desks: see `service.usecases.ports.desk.DeskStore` for what each method promises."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, Engine, and_, bindparam, or_, select, text
from sqlalchemy.dialects.postgresql import distinct_on

from service.domain.model import HELD, Cause, TicketEvent, TicketStatus
from service.store import rows
from service.store.agents import agent_from, agents_query
from service.store.engine import statement
from service.store.tables import agents, ticket_events, tickets
from service.usecases.ports.desk import DeskState

_HELD = sorted(status.value for status in TicketStatus if status in HELD)
_THEIRS = and_(tickets.c.agent_id == bindparam("agent_id"), tickets.c.deleted_at.is_(None))

_AGENT = agents_query().where(agents.c.id == bindparam("agent_id"))
_HAND = select(*rows.TICKET_COLUMNS).where(_THEIRS, tickets.c.status.in_(_HELD)).order_by(tickets.c.id)
_RESOLVED = (
    select(*rows.TICKET_COLUMNS)
    .where(_THEIRS, tickets.c.status == TicketStatus.RESOLVED.value)
    .order_by(tickets.c.id.desc())
    .limit(bindparam("resolved"))
)

_WARNED = """EXISTS (
    SELECT FROM ticket_events e WHERE e.ticket_id = t.id AND e.cause = 'hold_warning' AND e.epoch = t.epoch
)"""

WARNED = text(f"""
SELECT id FROM tickets t WHERE agent_id = :agent_id AND status = 'assigned' AND deleted_at IS NULL AND {_WARNED}
""")  # noqa: S608 - the condition is our own

VERSION = text(f"""
SELECT concat_ws('|', a.availability, a.level, a.capacity, a.held, u.is_active, (
    SELECT md5(string_agg(concat_ws(':', t.id, t.epoch, t.status, t.updated_at, t.warned), ',' ORDER BY t.id))
    FROM (
        (SELECT id, epoch, status, updated_at, status = 'assigned' AND {_WARNED} AS warned FROM tickets t
         WHERE agent_id = a.id AND status IN ('assigned', 'in_progress') AND deleted_at IS NULL)
        UNION ALL
        (SELECT id, epoch, status, updated_at, false FROM tickets
         WHERE agent_id = a.id AND status = 'resolved' AND deleted_at IS NULL ORDER BY id DESC LIMIT :resolved)
    ) t
))
FROM agents a JOIN users u ON u.id = a.id WHERE a.id = :agent_id
""")  # noqa: S608


_MOVELESS = (Cause.NOTE, Cause.EDIT, Cause.HOLD_WARNING)


class PostgresDesks:
    """Read desks from PostgreSQL."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def state(self, agent_id: int, *, resolved: int) -> DeskState | None:
        """Read a desk by four statements, each along an index."""
        with statement(self._engine) as connection:
            row = connection.execute(_AGENT, {"agent_id": agent_id}).mappings().one_or_none()
            if row is None:
                return None
            hand = connection.execute(_HAND, {"agent_id": agent_id}).mappings()
            done = connection.execute(_RESOLVED, {"agent_id": agent_id, "resolved": resolved}).mappings()
            warned = connection.execute(WARNED, {"agent_id": agent_id}).scalars()
            return DeskState(
                agent=agent_from(row),
                hand=tuple(rows.ticket(row) for row in hand),
                resolved=tuple(rows.ticket(row) for row in done),
                warned=frozenset(warned),
            )

    def version(self, agent_id: int, *, resolved: int) -> str | None:
        """Read a digest by one statement: every change of a ticket sets `updated_at`."""
        with statement(self._engine) as connection:
            found = connection.execute(VERSION, {"agent_id": agent_id, "resolved": resolved}).scalar_one_or_none()
        return None if found is None else str(found)

    def last_moves(self, ticket_ids: Collection[int], *, of_agent: int) -> dict[int, TicketEvent]:
        """Look among the events of each ticket that name the agent; notes and warnings name them, but move nothing."""
        events = ticket_events.c
        named = or_(events.agent_id == of_agent, events.from_agent_id == of_agent)
        return self._last(ticket_ids, and_(named, events.cause.not_in([cause.value for cause in _MOVELESS])))

    def last_edits(self, ticket_ids: Collection[int]) -> dict[int, TicketEvent]:
        """Look among the edits of each ticket."""
        return self._last(ticket_ids, ticket_events.c.cause == Cause.EDIT.value)

    def _last(self, ticket_ids: Collection[int], wanted: ColumnElement[bool]) -> dict[int, TicketEvent]:
        if not ticket_ids:
            return {}
        events = ticket_events.c
        query = (
            select(*rows.EVENT_COLUMNS)
            .ext(distinct_on(events.ticket_id))
            .where(events.ticket_id.in_(ticket_ids), wanted)
            .order_by(events.ticket_id, events.id.desc())
        )
        with statement(self._engine) as connection:
            return {row["ticket_id"]: rows.event(row) for row in connection.execute(query).mappings()}
