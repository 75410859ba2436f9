"""Desks: see `service.usecases.ports.desk.DeskStore` for what each method promises."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import ColumnElement, Engine, Uuid, and_, bindparam, or_, select, text
from sqlalchemy.dialects.postgresql import distinct_on

from service.domain.model import HELD, Cause, Principal, Role, TicketEvent, TicketStatus
from service.store import rows
from service.store.agents import agent_from, agents_query
from service.store.engine import statement
from service.store.rows import SESSION_GOES_ON_SQL
from service.store.tables import agents, ticket_events, tickets
from service.usecases.ports.desk import DeskState, Look

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

_VERSION = f"""concat_ws('|', a.availability, a.level, a.capacity, a.held, u.is_active, (
    SELECT md5(string_agg(concat_ws(':', t.id, t.epoch, t.status, t.updated_at, t.warned), ',' ORDER BY t.id))
    FROM (
        (SELECT id, epoch, status, updated_at, status = 'assigned' AND {_WARNED} AS warned FROM tickets t
         WHERE agent_id = a.id AND status IN ('assigned', 'in_progress') AND deleted_at IS NULL)
        UNION ALL
        (SELECT id, epoch, status, updated_at, false FROM tickets
         WHERE agent_id = a.id AND status = 'resolved' AND deleted_at IS NULL ORDER BY id DESC LIMIT :resolved)
    ) t
))"""  # noqa: S608

# Who looks, as `service.store.sessions` has it, and whether there is news: all that most looks need.
LOOK = text(f"""
SELECT u.id, u.username, u.role, {_VERSION} AS version
FROM sessions s JOIN users u ON u.id = s.user_id LEFT JOIN agents a ON a.id = u.id
WHERE s.id = :session_id AND {SESSION_GOES_ON_SQL}
""").bindparams(bindparam("session_id", type_=Uuid()))  # noqa: S608


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

    def look(self, session_id: UUID, *, resolved: int) -> Look | None:
        """Read session and digest by one statement: every change of a ticket sets `updated_at`."""
        with statement(self._engine) as connection:
            row = connection.execute(LOOK, {"session_id": session_id, "resolved": resolved}).one_or_none()
        if row is None:
            return None
        who = Principal(user_id=row.id, username=row.username, role=Role(row.role), session_id=session_id)
        return Look(principal=who, version=row.version)

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
