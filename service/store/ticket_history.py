"""Histories: see `service.usecases.ports.history.HistoryStore` for what each method promises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Engine, Select, and_, exists, insert, or_, select

from service.domain.history import QUIET
from service.domain.model import Cause, Page, TicketEvent
from service.store import archive_reads, moves, rows
from service.store.engine import statement
from service.store.paging import keyset_page
from service.store.readings import Readings
from service.store.tables import archived_ticket_events, ticket_events
from service.usecases.ports.history import StateChanges
from service.usecases.ports.paging import PageRequest


class PostgresHistory:
    """Read what happened, and add to it what somebody has to say."""

    def __init__(self, engine: Engine, *, readings: Readings | None = None) -> None:
        """Read lists by `readings`."""
        self._engine = engine
        self._readings = readings or Readings(engine)

    def has_had(self, ticket_id: int, agent_id: int) -> bool:
        """Look for an event of the ticket that names the agent: every holder came by one."""
        places = (ticket_events.c, archived_ticket_events.c)
        looks = [exists().where(events.ticket_id == ticket_id, events.agent_id == agent_id) for events in places]
        with statement(self._engine) as connection:
            return bool(connection.execute(select(or_(*looks))).scalar_one())

    def add_note(self, ticket_id: int, note: str, *, actor_id: int, operation_id: UUID | None) -> TicketEvent:
        """Write the line under the ticket's lock, so that it stands between the changes it was written between."""

        def write(connection: Connection) -> TicketEvent:
            found, _ = moves.lock_ticket(connection, ticket_id)
            if operation_id is not None and (written := _of_operation(connection, operation_id)):
                return written
            line = moves.event_values(found, found, cause=Cause.NOTE, actor_id=actor_id, note=note)
            added = insert(ticket_events).values({**line, "operation_id": operation_id})
            return rows.event(connection.execute(added.returning(*rows.EVENT_COLUMNS)).mappings().one())

        return moves.in_transaction(self._engine, write)

    def changes(self, ticket_id: int) -> StateChanges:
        """Read them along the index; edits, notes and the like, of which there may be many, are passed over."""
        events = ticket_events.c
        query = (
            select(*rows.EVENT_COLUMNS)
            .where(events.ticket_id == ticket_id, events.cause.not_in([cause.value for cause in QUIET]))
            .order_by(events.id)
        )

        def read(connection: Connection) -> StateChanges:
            found = [rows.event(row) for row in connection.execute(query).mappings()]
            if not found:
                found = _archived_changes(connection, ticket_id)
            return StateChanges(events=found, now=connection.execute(select(rows.NOW)).scalar_one())

        return self._readings.read(read)

    def of_agent(self, agent_id: int, request: PageRequest) -> Page[TicketEvent]:
        """Merge the events that name the agent with those by which another agent got the ticket from them."""
        found = archive_reads.lines_anywhere(
            lambda events: events.agent_id == agent_id, lambda events: events.from_agent_id == agent_id
        )
        return self._readings.read(lambda connection: _lines(connection, request, select(found), found.c.id))

    def notes(self, ticket_id: int, request: PageRequest) -> Page[TicketEvent]:
        """List a ticket's events that are notes."""
        return self._readings.read(
            lambda connection: lines_page(
                connection,
                request,
                lambda events: and_(events.ticket_id == ticket_id, events.cause == Cause.NOTE.value),
            )
        )


def lines_page(
    connection: Connection, request: PageRequest, condition: Callable[[Any], ColumnElement[bool]]
) -> Page[TicketEvent]:
    """List lines of one ticket by keyset; where there are none, among those of the archive, too."""
    page = _lines(
        connection, request, select(*rows.EVENT_COLUMNS).where(condition(ticket_events.c)), ticket_events.c.id
    )
    if page.items:
        return page
    anywhere = archive_reads.lines_anywhere(condition)
    return _lines(connection, request, select(anywhere), anywhere.c.id)


def _lines(
    connection: Connection, request: PageRequest, lines: Select[Any], id_column: ColumnElement[int]
) -> Page[TicketEvent]:
    return keyset_page(
        connection,
        select=lines,
        columns={"id": id_column},
        id_column=id_column,
        request=request,
        build=lambda row: rows.event(row._mapping),
    )


def _archived_changes(connection: Connection, ticket_id: int) -> list[TicketEvent]:
    anywhere = archive_reads.lines_anywhere(
        lambda events: and_(events.ticket_id == ticket_id, events.cause.not_in([cause.value for cause in QUIET]))
    )
    query = select(anywhere).order_by(anywhere.c.id)
    return [rows.event(row) for row in connection.execute(query).mappings()]


def _of_operation(connection: Connection, operation_id: UUID) -> TicketEvent | None:
    """Read what an earlier try of the same operation wrote."""
    query = select(*rows.EVENT_COLUMNS).where(ticket_events.c.operation_id == operation_id)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else rows.event(row)
