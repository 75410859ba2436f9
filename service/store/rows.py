"""Rows of PostgreSQL turned into the domain's nouns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, func

from service.domain.errors import NotFound
from service.domain.history import QUIET
from service.domain.model import Cause, Priority, Ticket, TicketEvent, TicketStatus
from service.store.tables import ticket_events, tickets

MAX_BIGINT = 2**63 - 1

TICKET_COLUMNS = tuple(
    column for column in tickets.columns if column.name not in {"deleted_at", "operation_id", "requeued_at"}
)
"""What `ticket` reads, in the order of the table."""

EVENT_COLUMNS = tuple(column for column in ticket_events.columns if column.name not in {"operation_id", "xact"})
"""What `event` reads, in the order of the table."""

NOW: ColumnElement[Any] = func.now()

QUIET_CAUSES = ", ".join(f"'{cause}'" for cause in sorted(QUIET))
"""The causes of `service.domain.history.QUIET` for a list in SQL."""


def existing_id(value: int, noun: str) -> int:
    """Return an id that may exist. Raises `NotFound` for one that no row can have."""
    if not 1 <= value <= MAX_BIGINT:
        raise NotFound(f"There is no {noun} {value}")
    return value


def ticket(row: Mapping[Any, Any]) -> Ticket:
    """Build a ticket from a row of `TICKET_COLUMNS`."""
    return Ticket(
        **{
            **row,
            "priority": Priority(row["priority"]),
            "status": TicketStatus(row["status"]),
        }
    )


def event(row: Mapping[Any, Any]) -> TicketEvent:
    """Build a history line from a row of `EVENT_COLUMNS`."""
    return TicketEvent(
        **{
            **row,
            "cause": Cause(row["cause"]),
            "from_status": row["from_status"] and TicketStatus(row["from_status"]),
            "to_status": row["to_status"] and TicketStatus(row["to_status"]),
            "priority": row["priority"] and Priority(row["priority"]),
        }
    )
