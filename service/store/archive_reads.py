"""Reading the archive: asked only where the tables that are worked on had nothing.

What looks in both does so by one statement, whose snapshot has a ticket in exactly one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Subquery, select, text, union_all

from service.domain.model import Ticket
from service.store import rows
from service.store.tables import archived_ticket_events, archived_tickets, ticket_events

TICKET_COLUMNS = (
    *(archived_tickets.c[column.name] for column in rows.TICKET_COLUMNS),
    archived_tickets.c.archived_at,
)
EVENT_COLUMNS = tuple(archived_ticket_events.c[column.name] for column in rows.EVENT_COLUMNS)

ANYWHERE = text(f"""
SELECT {rows.TICKET_SQL}, NULL AS archived_at FROM tickets t WHERE t.id = :id AND t.deleted_at IS NULL
UNION ALL
SELECT {rows.TICKET_SQL}, t.archived_at FROM archived_tickets t WHERE t.id = :id AND t.deleted_at IS NULL
""")  # noqa: S608 - the columns are our own


def ticket(row: Mapping[Any, Any]) -> Ticket:
    """Build a ticket from a row of `TICKET_COLUMNS`, or of `ANYWHERE`."""
    return rows.ticket(row)._replace(archived_at=row["archived_at"])


def lines_anywhere(*conditions: Callable[[Any], ColumnElement[bool]]) -> Subquery:
    """Select the lines of history that meet any one condition, wherever they are; none may meet two.

    Each condition is given the columns of either table.
    """
    places: tuple[tuple[FromClause, tuple[Any, ...]], ...] = (
        (ticket_events, rows.EVENT_COLUMNS),
        (archived_ticket_events, EVENT_COLUMNS),
    )
    parts = [select(*columns).where(condition(table.c)) for table, columns in places for condition in conditions]
    return union_all(*parts).subquery("found")
