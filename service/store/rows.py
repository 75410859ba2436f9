"""Rows of PostgreSQL turned into the domain's nouns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import ColumnElement, func

from service.domain.errors import NotFound
from service.domain.history import QUIET
from service.domain.model import HELD, Cause, Priority, Ticket, TicketEvent, TicketStatus
from service.store.tables import ticket_events, tickets

MAX_BIGINT = 2**63 - 1

TICKET_COLUMNS = tuple(
    column for column in tickets.columns if column.name not in {"deleted_at", "operation_id", "requeued_at"}
)
"""What `ticket` reads, in the order of the table."""

TICKET_SQL = ", ".join(f"t.{column.name}" for column in TICKET_COLUMNS)
"""The same for a statement that calls its tickets `t`."""

EVENT_COLUMNS = tuple(column for column in ticket_events.columns if column.name not in {"operation_id", "xact"})
"""What `event` reads, in the order of the table."""

_TICKET_NAMES = tuple(column.name for column in TICKET_COLUMNS)
PRIORITIES = {priority.value: priority for priority in Priority}
_STATUSES = {status.value: status for status in TicketStatus}

_TIMES = tuple(place for place, name in enumerate(_TICKET_NAMES) if name.endswith("_at"))

SESSION_GOES_ON_SQL = "s.revoked_at IS NULL AND s.expires_at > now() AND u.is_active AND u.deleted_at IS NULL"
"""What `service.store.sessions` asks of a session `s` and its user `u`, for statements that are written in SQL."""

HELD_SQL = ", ".join(f"'{status.value}'" for status in sorted(HELD))
"""The states of held tickets for a list in SQL."""

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
    return ticket_of([row[name] for name in _TICKET_NAMES])


def ticket_of(values: Sequence[Any]) -> Ticket:
    """Build a ticket from the values of `TICKET_COLUMNS`, which are in the order of its own."""
    ticket_id, subject, description, priority, status, *others = values
    return Ticket(ticket_id, subject, description, PRIORITIES[priority], _STATUSES[status], *others)


def hand_from(text: str) -> tuple[Ticket, ...]:
    """Build tickets from a JSON list of lists of the values of `TICKET_COLUMNS`."""
    tickets: list[list[Any]] = orjson.loads(text)
    for values in tickets:
        for place in _TIMES:
            if values[place] is not None:
                values[place] = datetime.fromisoformat(values[place])
    return tuple(map(ticket_of, tickets))


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
