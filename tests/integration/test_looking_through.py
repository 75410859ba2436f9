"""Searches that no index helps with look at so many rows for a page; the pages together find all there is, once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from service.domain.model import Page, Ticket, TicketStatus
from service.domain.service_levels import DEFAULT_TARGETS
from service.store import paging
from service.store.tickets import PostgresTickets
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.tickets import TicketFilter

COUNT = 60
LOOK = 10
SORTS = ("id", "-id", "created_at", "-created_at", "updated_at", "-updated_at", "subject", "-subject")


@pytest.fixture
def tickets(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> PostgresTickets:
    """Sixty tickets, every seventh of which says "fire", changed in an order of its own; the ninth is deleted."""
    monkeypatch.setattr(paging, "LOOK", LOOK)
    with engine.begin() as connection:
        connection.execute(
            text("""
                INSERT INTO tickets (subject, priority, updated_at, created_at)
                SELECT CASE n % 7 WHEN 0 THEN 'On Fire ' ELSE 'Wet ' END || n * 31 % 60,
                       CASE n % 2 WHEN 0 THEN 'high' ELSE 'medium' END,
                       now() - (n * 17 % 20) * interval '1 minute', now() - (:count - n) * interval '6 hours'
                FROM generate_series(1, :count) AS n
            """),
            {"count": COUNT},
        )
        connection.execute(text("UPDATE tickets SET deleted_at = now() WHERE id = 9"))
    return PostgresTickets(engine, targets=DEFAULT_TARGETS)


def walked(
    ask: Callable[[PageRequest], Page[Ticket]], *, sort: str, limit: int
) -> tuple[list[int], list[Page[Ticket]]]:
    """Follow `next` to the end."""
    pages = [ask(PageRequest(sort=sort, limit=limit))]
    while pages[-1].next is not None:
        pages.append(ask(PageRequest(sort=sort, limit=limit, cursor=pages[-1].next)))
    return [ticket.id for page in pages for ticket in page.items], pages


FILTERS = {
    "text": TicketFilter(text="fire"),
    "text that half of them have": TicketFilter(text="1"),
    "text of open ones": TicketFilter(text="fire", statuses=(TicketStatus.OPEN,)),
    "text that none has": TicketFilter(text="water"),
    "overdue": TicketFilter(overdue=True),
    "not overdue": TicketFilter(overdue=False),
    "of a time": TicketFilter(created_after=datetime.now(UTC) - timedelta(days=5)),
    "in hand": TicketFilter(statuses=(TicketStatus.ASSIGNED, TicketStatus.IN_PROGRESS)),
}


@pytest.mark.parametrize("limit", [1, 4, 100])
@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("name", FILTERS)
def test_the_pages_together_are_the_whole_list_in_its_order(
    tickets: PostgresTickets, monkeypatch: pytest.MonkeyPatch, name: str, sort: str, limit: int
) -> None:
    found, pages = walked(lambda asked: tickets.page(FILTERS[name], asked), sort=sort, limit=limit)
    monkeypatch.setattr(paging, "LOOK", 10 * COUNT)
    whole = tickets.page(FILTERS[name], PageRequest(sort=sort, limit=100))
    assert found == [ticket.id for ticket in whole.items]
    assert whole.total_is_exact
    assert all(page.total <= whole.total for page in pages)
    assert all(page.total == whole.total for page in pages if page.total_is_exact)


@pytest.mark.parametrize("limit", [1, 4])
@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("name", FILTERS)
def test_the_way_back_leads_past_the_same_tickets(tickets: PostgresTickets, name: str, sort: str, limit: int) -> None:
    found, pages = walked(lambda asked: tickets.page(FILTERS[name], asked), sort=sort, limit=limit)
    page = next((page for page in reversed(pages) if page.items), pages[-1])
    seen = [ticket.id for ticket in page.items]
    while page.prev is not None:
        page = tickets.page(FILTERS[name], PageRequest(sort=sort, limit=limit, cursor=page.prev))
        seen = [ticket.id for ticket in page.items] + seen
    assert seen == found


def test_an_empty_page_leads_back_and_on(tickets: PostgresTickets) -> None:
    wanted = TicketFilter(text="on fire 37")  # the ticket 7
    _, empty, *_ = walked(lambda asked: tickets.page(wanted, asked), sort="id", limit=5)[1]
    assert (empty.items, empty.prev is None, empty.next is None) == ((), False, False)
    back = tickets.page(wanted, PageRequest(limit=5, cursor=empty.prev))
    assert [ticket.id for ticket in back.items] == []
    assert back.prev is not None, "the twentieth to the eleventh, and the seventh is before them"
    assert [t.id for t in tickets.page(wanted, PageRequest(limit=5, cursor=back.prev)).items] == [7]


def test_a_page_ends_where_it_has_looked_at_enough(tickets: PostgresTickets) -> None:
    first = tickets.page(TicketFilter(text="fire"), PageRequest(limit=5))
    assert [ticket.id for ticket in first.items] == [7]
    assert (first.total, first.total_is_exact) == (1, False)
    second = tickets.page(TicketFilter(text="fire"), PageRequest(limit=5, cursor=first.next))
    assert [ticket.id for ticket in second.items] == [14, 21]
    assert (second.total, second.total_is_exact) == (2, False), "no fewer than can be seen"


def test_a_page_may_be_empty_and_not_the_last(tickets: PostgresTickets) -> None:
    found, pages = walked(lambda asked: tickets.page(TicketFilter(text="water"), asked), sort="id", limit=5)
    assert found == []
    assert len(pages) == 6


def test_what_an_index_finds_is_found_on_the_first_page(tickets: PostgresTickets, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE tickets SET external_id = 'x' WHERE id = 56"))
    [ticket] = tickets.page(TicketFilter(text="fire", external_id="x"), PageRequest(limit=5)).items
    assert ticket.id == 56


def test_tickets_created_in_one_moment_and_changed_in_one_are_each_on_one_page(
    tickets: PostgresTickets, engine: Engine
) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE tickets SET updated_at = '2026-01-01 00:00Z'"))
    for sort in ("updated_at", "-updated_at"):
        found, _ = walked(lambda asked: tickets.page(TicketFilter(text="fire"), asked), sort=sort, limit=2)
        assert sorted(found) == list(range(7, COUNT, 7))
