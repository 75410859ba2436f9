"""Lists merged from parts, and lists of a time: the pages together are all there is, in the order asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from service.domain.model import Page, Priority, Ticket, TicketStatus
from service.domain.service_levels import DEFAULT_TARGETS
from service.store import paging
from service.store.tickets import PostgresTickets
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.tickets import TicketFilter

COUNT = 49
LOOK = 8
STATES = ("open", "assigned", "in_progress", "resolved", "closed", "sold", "closed")
DONE = (TicketStatus.CLOSED, TicketStatus.SOLD)
BEGAN = datetime.now(UTC) - timedelta(days=30)

FILL = text("""
INSERT INTO tickets (subject, priority, status, agent_id, epoch, sold_at, created_at, updated_at)
SELECT CASE n % 3 WHEN 0 THEN 'fire' ELSE 'water' END, CASE n % 2 WHEN 0 THEN 'high' ELSE 'medium' END, status,
       CASE WHEN status <> 'open' THEN (SELECT min(id) FROM agents) END, 0,
       CASE WHEN status = 'sold' THEN now() END,
       CAST(:began AS timestamptz) + n * interval '6 hours', now() - (n * 17 % 20) * interval '1 minute'
FROM generate_series(1, :count) AS n, LATERAL (SELECT (CAST(:states AS text[]))[1 + n % 7] AS status) AS state
""")


@pytest.fixture
def tickets(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> PostgresTickets:
    """Tickets of all states, a few of them deleted."""
    monkeypatch.setattr(paging, "LOOK", LOOK)
    with engine.begin() as connection:
        agent = "INSERT INTO users (username, role, password_hash) VALUES ('a', 'agent', '!') RETURNING id"
        connection.execute(text(f"WITH made AS ({agent}) INSERT INTO agents (id) SELECT id FROM made"))
        connection.execute(FILL, {"count": COUNT, "states": list(STATES), "began": BEGAN})
        connection.execute(text("UPDATE tickets SET deleted_at = now() WHERE id % 11 = 0"))
    return PostgresTickets(engine, targets=DEFAULT_TARGETS)


def overdue(ticket: Ticket) -> bool:
    return ticket.status in (TicketStatus.OPEN, TicketStatus.ASSIGNED, TicketStatus.IN_PROGRESS)  # all are old enough


Wanted = tuple[TicketFilter, Callable[[Ticket], bool]]
LISTS: dict[str, Wanted] = {
    "closed": (TicketFilter(statuses=(TicketStatus.CLOSED,)), lambda t: t.status == "closed"),
    "done": (TicketFilter(statuses=DONE), lambda t: t.status in DONE),
    "named twice": (TicketFilter(statuses=(TicketStatus.SOLD,) * 2), lambda t: t.status == "sold"),
    "closed and high": (
        TicketFilter(statuses=(TicketStatus.CLOSED,), priorities=(Priority.HIGH,)),
        lambda t: t.status == "closed" and t.priority == "high",
    ),
    "done and on fire": (TicketFilter(statuses=DONE, text="fire"), lambda t: t.status in DONE and t.subject == "fire"),
    "high, done and on fire": (
        TicketFilter(statuses=DONE, priorities=(Priority.HIGH,), text="fire"),
        lambda t: t.status in DONE and t.priority == "high" and t.subject == "fire",
    ),
    "overdue": (TicketFilter(overdue=True), overdue),
    "overdue in hand": (
        TicketFilter(overdue=True, statuses=(TicketStatus.ASSIGNED, TicketStatus.CLOSED)),
        lambda t: t.status == "assigned",
    ),
    "overdue and open": (TicketFilter(overdue=True, statuses=(TicketStatus.OPEN,)), lambda t: t.status == "open"),
    "overdue and done": (TicketFilter(overdue=True, statuses=(TicketStatus.CLOSED,)), lambda t: False),
    "in hand": (TicketFilter(statuses=(TicketStatus.ASSIGNED,)), lambda t: t.status == "assigned"),
    "of a time": (
        TicketFilter(created_after=BEGAN + timedelta(days=3)), lambda t: t.created_at >= BEGAN + timedelta(days=3)
    ),
    "of a time and on fire": (
        TicketFilter(created_before=BEGAN + timedelta(days=9), text="fire"),
        lambda t: t.created_at < BEGAN + timedelta(days=9) and t.subject == "fire",
    ),
}  # fmt: skip
KEYS: dict[str, Callable[[Ticket], Any]] = {
    "id": lambda t: t.id,
    "created_at": lambda t: t.id,
    "updated_at": lambda t: (t.updated_at, t.id),
    "subject": lambda t: (t.subject, t.id),
}


@pytest.mark.parametrize(("limit", "few"), [(2, 0), (7, 1_000), (100, 0)])
@pytest.mark.parametrize("name", LISTS)
def test_the_pages_together_are_the_whole_list_in_its_order(
    tickets: PostgresTickets, monkeypatch: pytest.MonkeyPatch, name: str, limit: int, few: int
) -> None:
    monkeypatch.setattr(paging, "FEW", few)
    wish, belongs = LISTS[name]
    wanted = [ticket for ticket in tickets.page(TicketFilter(), PageRequest(limit=100)).items if belongs(ticket)]
    for sort in (sign + key for key in KEYS for sign in ("", "-")):
        expected = sorted(wanted, key=KEYS[sort.removeprefix("-")], reverse=sort.startswith("-"))
        pages = walked(lambda asked: tickets.page(wish, asked), "next", PageRequest(sort=sort, limit=limit))
        found = [ticket.id for page in pages for ticket in page.items]
        assert found == [ticket.id for ticket in expected], sort
        assert all(page.total <= len(expected) for page in pages)
        assert all(page.total == len(expected) for page in pages if page.total_is_exact)
        if not pages[-1].items:  # the end, with nothing to go back from
            continue
        last = PageRequest(sort=sort, limit=limit, cursor=pages[-2].next if len(pages) > 1 else None)
        back = walked(lambda asked: tickets.page(wish, asked), "prev", last)
        assert [ticket.id for page in back[::-1] for ticket in page.items] == found, sort


def walked(ask: Callable[[PageRequest], Page[Ticket]], way: str, request: PageRequest) -> list[Page[Ticket]]:
    """Follow `next` or `prev` to the end."""
    pages = [ask(request)]
    while (cursor := getattr(pages[-1], way)) is not None:
        pages.append(ask(replace(request, cursor=cursor)))
    return pages
