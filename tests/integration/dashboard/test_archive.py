"""The archive on the page: a way to it, what can still be done there, and what cannot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine

from service.domain.model import TicketStatus
from service.usecases.ports.tickets import Buyer
from tests.integration.archiving import archive, grow_old
from tests.integration.dashboard.visitor import Visitor

Visit = Callable[..., Visitor]
ACT = "/app/tickets/act"


@pytest.fixture
def pair(ann: int, root: int, tickets: Any, container: Any, engine: Engine) -> tuple[int, int]:
    """Lay a closed and a sold ticket into the archive, beside an open one."""
    closed, sold, _ = (ticket.id for ticket in tickets(3))
    for ticket_id in (closed, sold):
        container.lifecycle.assign(ticket_id, agent_id=ann, actor_id=root)
    container.lifecycle.resolve(ann, closed)
    container.lifecycle.close(ann, closed)
    container.lifecycle.sell(ann, sold, Buyer(name="Kim", email="kim@example.com"))
    grow_old(engine, [closed, sold])
    assert archive(container).tickets == 2
    return closed, sold


def test_the_list_leads_to_the_archive(visitor: Visit, pair: tuple[int, int]) -> None:
    seen = visitor("root").get("/app/tickets?status=closed")
    assert "No ticket is like that" in seen.text
    assert 'href="/app/tickets?status=closed&amp;archived=yes"' in seen.text
    seen.get("/app/tickets?archived=yes")
    assert all(f'href="/app/tickets/{ticket}"' in seen.text for ticket in pair)
    assert [value for name, value in seen.form(ACT).buttons if name == "act"] == ["reopen"]
    assert "archived=yes" in seen.text.partition("Export this list")[2].partition("CSV")[0]


def test_an_archived_ticket_is_shown_with_what_can_be_done(visitor: Visit, pair: tuple[int, int]) -> None:
    closed, sold = pair
    seen = visitor("root").get(f"/app/tickets/{closed}")
    assert seen.status == 200
    assert "It went to the archive at " in seen.text
    assert "Reopen…" in seen.text
    for words in ("Delete…", "Keep the note", ">Edit<"):
        assert words not in seen.text
    assert "Reopen…" not in seen.get(f"/app/tickets/{sold}").text
    assert "Keep the note" not in visitor("ann").get(f"/app/desk/tickets/{closed}").text


def test_reopening_from_the_archive(visitor: Visit, pair: tuple[int, int], container: Any) -> None:
    closed, sold = pair
    seen = visitor("root").get(f"{ACT}?act=reopen&ticket={closed}&ticket={sold}&back=/app/tickets%3Farchived%3Dyes")
    assert seen.status == 200
    seen.send(ACT)
    assert f"Ticket {closed} is open again." in seen.text
    assert (
        f"Ticket {sold} is &#39;sold&#39; and in the archive, where nothing changes; what is sold stays sold."
        in seen.text
    )
    assert container.explanations.explain(closed).ticket.status is TicketStatus.OPEN
    assert container.explanations.explain(sold).ticket.archived_at is not None


def test_a_customers_archived_tickets_are_found(visitor: Visit, pair: tuple[int, int], container: Any) -> None:
    customer = container.erasures.find("kim@example.com")
    seen = visitor("root").get(f"/app/customers/{customer}")
    assert f"/app/tickets?customer_id={customer}&amp;archived=yes" in seen.text
    assert f'href="/app/tickets/{pair[1]}"' in seen.get(f"/app/tickets?customer_id={customer}&archived=yes").text
