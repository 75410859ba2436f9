"""A filter of tickets as conditions of a query."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import ColumnElement, Select, Table, false, literal_column, not_, or_, select

from service.domain.model import HELD, TicketStatus
from service.domain.service_levels import DEFAULT_TARGETS, UNRESOLVED, Targets
from service.store import archive_reads, rows
from service.store.find import Find, Part
from service.store.overdue import is_overdue
from service.store.tables import agents, archived_tickets, tickets
from service.usecases.ports.tickets import TicketFilter

DONE = frozenset({TicketStatus.CLOSED, TicketStatus.SOLD})
"""The states that `tickets_done_idx` and `tickets_done_changed_idx` have."""

_ANY = TicketFilter()
_HELD = [status.value for status in HELD]

_AT_ANY_TIME = tickets.c.updated_at > literal_column("'-infinity'::timestamptz")
"""Says nothing, and is what `tickets_held_by_change_idx` asks for: without it, hands would be looked for there too."""


def source(wanted: TicketFilter) -> Table:
    """Name the table that the tickets wanted are in."""
    return archived_tickets if wanted.archived else tickets


def filtered(wanted: TicketFilter, targets: Targets) -> Select[tuple[object, ...]]:
    """Select the tickets wanted, deleted ones never; what is overdue follows from the `targets`."""
    columns = archive_reads.TICKET_COLUMNS if wanted.archived else rows.TICKET_COLUMNS
    in_hand = _in_no_hand(wanted) if wanted.archived else _in_hand(wanted, targets)
    return select(*columns).where(source(wanted).c.deleted_at.is_(None), *_equal(wanted), *_in_time(wanted), *in_hand)


def found_among(wanted: TicketFilter, targets: Targets, *, sort: str) -> Select[tuple[object, ...]]:
    """Select the tickets wanted for a list that is made of its `parts`, if it has any: these say their states."""
    return filtered(replace(wanted, statuses=()) if parts(wanted, sort=sort) else wanted, targets)


def looked_through(wanted: TicketFilter, *, sort: str) -> Select[tuple[object, ...]] | None:
    """Select the tickets to look through for those wanted; None where an index finds them, or nothing would help.

    No index finds a text, nor what is overdue among much that is not. (One over the texts' trigrams would: it costs an
    import three to thirty times as much as all else about a ticket.) Nor does one find those of a state and a priority,
    unless they are open. Sorted by subject, for which there is no index either, all of them are read anyhow.
    """
    if _key(sort) == "subject":
        return None
    if wanted.archived:
        if not (wanted.text or wanted.statuses or wanted.priorities):
            return None
        return filtered(replace(wanted, text=None, statuses=(), priorities=()), DEFAULT_TARGETS)
    if not (wanted.text or wanted.overdue is not None):
        return None
    indexed = replace(wanted, text=None, overdue=None)
    if wanted.overdue:  # what is done is not; two conditions on one column would mislead the planner
        indexed = replace(indexed, statuses=_undone(wanted) or wanted.statuses)
    if set(indexed.statuses) - {TicketStatus.OPEN}:
        indexed = replace(indexed, priorities=())
    return filtered(replace(indexed, statuses=()) if parts(wanted, sort=sort) else indexed, DEFAULT_TARGETS)


def parts(wanted: TicketFilter, *, sort: str) -> tuple[Part, ...]:
    """Cut a list of done or overdue tickets into parts of which each has an index in the order asked for, if there is.

    Those of an agent, of a customer or of a time are better found by that.
    """
    if _key(sort) == "subject" or replace(wanted, statuses=(), priorities=(), text=None, overdue=None) != _ANY:
        return ()
    if wanted.statuses and DONE.issuperset(wanted.statuses):
        return tuple(_done(status) for status in dict.fromkeys(wanted.statuses))
    if not (wanted.overdue and _key(sort) == "updated_at"):
        return ()
    undone = set(_undone(wanted))
    held = sorted(status.value for status in undone & HELD)
    is_open = Part(condition=tickets.c.status == TicketStatus.OPEN.value)
    is_held = Part(condition=tickets.c.status.in_(held) & _AT_ANY_TIME)
    return (*([is_open] if TicketStatus.OPEN in undone else []), *([is_held] if held else []))


def how_to_find(wanted: TicketFilter, *, sort: str) -> Find:
    """Say whether the tickets wanted are better found first, and sorted then."""
    is_in_hand = bool(wanted.statuses) and HELD.issuperset(wanted.statuses) and _key(sort) != "updated_at"
    is_in_hand = is_in_hand and not wanted.archived
    return Find.FIRST_IF_FEW if is_in_hand or is_of_a_time(wanted) else Find.IN_ORDER


def is_of_a_time(wanted: TicketFilter) -> bool:
    """Say whether the tickets wanted were created at a time, for which there is an index."""
    return wanted.created_after is not None or wanted.created_before is not None


def _undone(wanted: TicketFilter) -> tuple[TicketStatus, ...]:
    return tuple(status for status in UNRESOLVED if not wanted.statuses or status in wanted.statuses)


def _done(status: TicketStatus) -> Part:
    """Keep to one state, by a range: see `Part`. The index has done tickets only, which must be said as well."""
    in_index = tickets.c.status.in_(sorted(each.value for each in DONE))
    return Part(condition=in_index & tickets.c.status.between(status.value, status.value), leading=tickets.c.status)


def _key(sort: str) -> str:
    return sort.removeprefix("-")


def _equal(wanted: TicketFilter) -> Iterator[ColumnElement[bool]]:
    columns = source(wanted).c
    if wanted.ids is not None:
        yield columns.id.in_(wanted.ids)
    if wanted.statuses:
        yield columns.status.in_([status.value for status in wanted.statuses])
        if HELD.issuperset(wanted.statuses) and wanted.agent_id is None and not wanted.archived:
            yield _AT_ANY_TIME
    if wanted.priorities:
        yield columns.priority.in_([priority.value for priority in wanted.priorities])
    for name in ("agent_id", "customer_id", "external_id"):
        value = getattr(wanted, name)
        if value is not None:
            yield columns[name] == value
    if wanted.text:
        texts = (columns.subject, columns.description)
        yield or_(*(column.icontains(wanted.text, autoescape=True) for column in texts))


def _in_time(wanted: TicketFilter) -> Iterator[ColumnElement[bool]]:
    columns = source(wanted).c
    if wanted.created_after is not None:
        yield columns.created_at >= wanted.created_after
    if wanted.created_before is not None:
        yield columns.created_at < wanted.created_before
    if wanted.unchanged_since is not None:
        yield columns.updated_at <= wanted.unchanged_since


def _in_hand(wanted: TicketFilter, targets: Targets) -> Iterator[ColumnElement[bool]]:
    if wanted.holder_away_s is not None:
        since = rows.NOW - timedelta(seconds=wanted.holder_away_s)
        long_away = select(agents.c.id).where(agents.c.away_since <= since)
        yield tickets.c.status.in_(_HELD) & tickets.c.agent_id.in_(long_away)
    if wanted.overdue is not None:
        yield is_overdue(targets) if wanted.overdue else not_(is_overdue(targets))


def _in_no_hand(wanted: TicketFilter) -> Iterator[ColumnElement[bool]]:
    """Nothing in the archive is held or overdue."""
    if wanted.holder_away_s is not None or wanted.overdue:
        yield false()
