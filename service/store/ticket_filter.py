"""A filter of tickets as conditions of a query."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import ColumnElement, Select, not_, or_, select

from service.domain.model import HELD
from service.domain.service_levels import Targets
from service.store import rows
from service.store.overdue import is_overdue
from service.store.tables import agents, tickets
from service.usecases.ports.tickets import TicketFilter

_HELD = [status.value for status in HELD]


def filtered(wanted: TicketFilter, targets: Targets) -> Select[tuple[object, ...]]:
    """Select the tickets wanted, deleted ones never; what is overdue follows from the `targets`."""
    return select(*rows.TICKET_COLUMNS).where(
        tickets.c.deleted_at.is_(None), *_equal(wanted), *_in_time(wanted), *_in_hand(wanted, targets)
    )


def _equal(wanted: TicketFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.ids is not None:
        yield tickets.c.id.in_(wanted.ids)
    if wanted.statuses:
        yield tickets.c.status.in_([status.value for status in wanted.statuses])
    if wanted.priorities:
        yield tickets.c.priority.in_([priority.value for priority in wanted.priorities])
    for name in ("agent_id", "customer_id", "external_id"):
        value = getattr(wanted, name)
        if value is not None:
            yield tickets.c[name] == value
    if wanted.text:
        columns = (tickets.c.subject, tickets.c.description)
        yield or_(*(column.icontains(wanted.text, autoescape=True) for column in columns))


def _in_time(wanted: TicketFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.created_after is not None:
        yield tickets.c.created_at >= wanted.created_after
    if wanted.created_before is not None:
        yield tickets.c.created_at < wanted.created_before
    if wanted.unchanged_since is not None:
        yield tickets.c.updated_at <= wanted.unchanged_since


def _in_hand(wanted: TicketFilter, targets: Targets) -> Iterator[ColumnElement[bool]]:
    if wanted.holder_away_s is not None:
        since = rows.NOW - timedelta(seconds=wanted.holder_away_s)
        long_away = select(agents.c.id).where(agents.c.away_since <= since)
        yield tickets.c.status.in_(_HELD) & tickets.c.agent_id.in_(long_away)
    if wanted.overdue is not None:
        yield is_overdue(targets) if wanted.overdue else not_(is_overdue(targets))
