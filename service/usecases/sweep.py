"""An act on all tickets that a filter finds: in parts, each small enough for a request, and safe to repeat.

What is concerned is settled when the numbers are shown: whatever changes afterwards, by anybody, is left alone. So a
part that is done once more finds nothing left to do, and one that was cut off is gone on with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from service.domain.errors import StoreUnavailable
from service.domain.model import HELD, Principal, TicketStatus
from service.usecases.bulk import Seen
from service.usecases.lifecycle import ItemResult
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.tickets import TicketFilter
from service.usecases.selection import Tally, tally_of
from service.usecases.tickets import Tickets

PART = 100
"""Tickets of one part: each is a transaction of some milliseconds."""

RETURNABLE = tuple(HELD)
REOPENABLE = (TicketStatus.RESOLVED, TicketStatus.CLOSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What became of one part; `cursor` leads to the next, None after the last."""

    done: int
    left: int
    cursor: str | None


def narrowed(wanted: TicketFilter, statuses: Sequence[TicketStatus]) -> TicketFilter | None:
    """Keep those in states that an act is for (none named: any); None where the filter excludes them all."""
    if not statuses:
        return wanted
    kept = tuple(status for status in statuses if not wanted.statuses or status in wanted.statuses)
    return replace(wanted, statuses=kept) if kept else None


def preview(tickets: Tickets, wanted: TicketFilter) -> tuple[Tally, datetime]:
    """Count what would be concerned, and say as of when."""
    found = tickets.count(wanted)
    return tally_of(found), found.at


def do_part(
    tickets: Tickets,
    wanted: TicketFilter,
    work: Callable[[Sequence[Seen]], Sequence[ItemResult]],
    *,
    cursor: str | None,
    viewer: Principal,
) -> Part:
    """Do the work on the next part of the tickets, the oldest first. `wanted` says since when they are unchanged.

    Raises `StoreUnavailable` where PostgreSQL went away: the part can be done again.
    """
    asked = PageRequest(limit=PART, cursor=cursor, is_counted=False)
    found = tickets.page(wanted, asked, viewer=viewer)
    results = work([Seen(ticket.id, ticket.epoch) for ticket in found.items])
    for result in results:
        if isinstance(result.error, StoreUnavailable):
            raise result.error
    done = sum(result.error is None for result in results)
    return Part(done=done, left=len(results) - done, cursor=found.next)
