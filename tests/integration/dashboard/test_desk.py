"""An agent's desk without scripts: forms that post, and pages that follow."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from service.domain.model import Availability, Priority, TicketStatus
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.people import AgentChanges, CustomerFilter
from service.usecases.ports.tickets import Buyer
from tests.integration.dashboard.visitor import Visitor

Visit = Callable[..., Visitor]


def status_of(container: Any, ticket_id: int) -> TicketStatus:
    """Look where a ticket is, whoever has it."""
    found = container.explanations.explain(ticket_id).ticket
    return TicketStatus(found.status)


def rows(seen: Visitor) -> list[int]:
    """List the tickets of the hand as the page shows them, in its order."""
    return [int(part.partition('"')[0]) for part in seen.text.split('data-row="')[1:]]


def test_getting_tickets_tops_the_hand_up_in_creation_order(visitor: Visit, ann: int, tickets: Any) -> None:
    made = tickets(17)
    seen = visitor("ann")
    assert "Your hand is empty" in seen.text
    seen.send("/app/desk/fetch")
    assert "15 new tickets for you." in seen.text
    assert "15 of 15 in hand" in seen.text
    assert rows(seen) == [ticket.id for ticket in made[:15]]
    assert "Your hand is full" in seen.send("/app/desk/fetch").text


def test_an_empty_queue_is_told_kindly(visitor: Visit, ann: int) -> None:
    assert "Nothing is waiting that you may take." in visitor("ann").send("/app/desk/fetch").text


def test_what_is_said_is_said_once(visitor: Visit, ann: int, tickets: Any) -> None:
    tickets(1)
    seen = visitor("ann").send("/app/desk/fetch")
    assert "1 new ticket for you." in seen.text
    assert "new ticket for you" not in seen.get("/app/desk").text


def test_a_ticket_is_worked_from_start_to_close(visitor: Visit, ann: int, tickets: Any, container: Any) -> None:
    (ticket,) = tickets(1)
    seen = visitor("ann").send("/app/desk/fetch")
    for act, said, status in (
        ("start", "is started", TicketStatus.IN_PROGRESS),
        ("resolve", "is resolved", TicketStatus.RESOLVED),
        ("start", "is started", TicketStatus.IN_PROGRESS),
        ("resolve", "is resolved", TicketStatus.RESOLVED),
        ("close", "is closed", TicketStatus.CLOSED),
    ):
        assert f"Ticket {ticket.id} {said}." in seen.press(f"{act}:{ticket.id}").text
        assert status_of(container, ticket.id) is status
    assert "Resolved, not yet closed" not in seen.text


def test_several_are_worked_at_once_each_on_its_own(visitor: Visit, ann: int, tickets: Any, container: Any) -> None:
    first, second, third = tickets(3)
    seen = visitor("ann").send("/app/desk/fetch")
    container.lifecycle.start(ann, second.id)
    seen.send("/app/desk/act", ("act", "start"), ticket=[first.id, second.id, third.id])
    assert "2 tickets are started." in seen.text
    assert f"Ticket {second.id} is in progress and was not started." in seen.text
    assert "No ticket is selected." in seen.press("start").text


def test_several_resolved_ones_are_closed_at_once(visitor: Visit, ann: int, tickets: Any, container: Any) -> None:
    first, second, third = (ticket.id for ticket in tickets(3))
    seen = visitor("ann").send("/app/desk/fetch")
    seen.send("/app/desk/act", ("act", "resolve"), ticket=[first, second, third])
    seen.send("/app/desk/act", ("act", "close"), ticket=[first, third])
    assert "2 tickets are closed." in seen.text
    states = [status_of(container, ticket_id) for ticket_id in (first, second, third)]
    assert states == [TicketStatus.CLOSED, TicketStatus.RESOLVED, TicketStatus.CLOSED]


def test_giving_back_asks_for_a_reason_and_keeps_it(visitor: Visit, ann: int, tickets: Any, container: Any) -> None:
    first, second = tickets(2)
    seen = visitor("ann").send("/app/desk/fetch")
    seen.send("/app/desk/act", ("act", "release"), ticket=[first.id, second.id])
    assert "Give back 2 tickets" in seen.text
    seen.send("/app/desk/release", reason="  ")
    assert (seen.status, "Reason must say why the ticket goes back." in seen.text) == (400, True)
    assert 'aria-invalid="true"' in seen.text
    seen.send("/app/desk/release", reason="Needs somebody who speaks Finnish")
    assert "2 tickets are given back." in seen.text
    assert rows(seen) == []
    assert status_of(container, first.id) is TicketStatus.OPEN
    assert "Finnish" in container.explanations.explain(first.id).entered.note


def test_selling_takes_a_customer_and_says_what_is_wrong_beside_the_field(
    visitor: Visit, ann: int, tickets: Any, container: Any
) -> None:
    first, second = tickets(2)
    seen = visitor("ann").send("/app/desk/fetch").press(f"sell:{first.id}")
    assert "Sell 1 ticket" in seen.text
    seen.send("/app/desk/sell", name="", email="kim at example")
    assert seen.status == 400
    assert "must look like name@example.com" in seen.text
    assert "name must not be empty" in seen.text
    assert 'value="kim at example"' in seen.text
    assert rows(seen.get("/app/desk")) == [first.id, second.id]
    seen.send("/app/desk/act", ("act", "sell"), ticket=[first.id, second.id])
    seen.send("/app/desk/sell", name="Kim", email="Kim@Example.com")
    assert "2 tickets are sold to Kim." in seen.text
    assert container.customers.page(CustomerFilter(), PageRequest(limit=5)).total == 1
    assert status_of(container, second.id) is TicketStatus.SOLD


def test_going_away_and_coming_back(visitor: Visit, ann: int, tickets: Any, container: Any) -> None:
    tickets(1)
    seen = visitor("ann").send("/app/desk/availability", ("availability", "away"))
    assert "You are away." in seen.text
    assert container.agents.get(ann).availability is Availability.AWAY
    assert "You are away, so nothing new comes to you." in seen.send("/app/desk/fetch").text
    assert "You are available again." in seen.send("/app/desk/availability", ("availability", "available")).text
    assert "1 new ticket for you." in seen.send("/app/desk/fetch").text


def test_sending_a_form_twice_does_its_work_once(visitor: Visit, ann: int, tickets: Any, container: Any) -> None:
    container.agents.update(ann, AgentChanges(capacity=2), actor_id=None)
    first, second, *_ = tickets(6)
    seen = visitor("ann")
    fetch = seen.filled("/app/desk/fetch", None, {})
    seen.post("/app/desk/fetch", fetch)
    sale = seen.press(f"sell:{first.id}").filled("/app/desk/sell", None, {"name": "Kim", "email": "kim@example.com"})
    seen.post("/app/desk/sell", sale)
    seen.post("/app/desk/fetch", fetch)  # a reload of the first post: the hand has room again
    assert "2 new tickets for you." in seen.text
    assert rows(seen) == [second.id]
    assert f"Ticket {first.id} is sold to Kim." in seen.post("/app/desk/sell", sale).text


def test_a_form_sent_from_two_threads_fetches_once(visitor: Visit, ann: int, tickets: Any, container: Any) -> None:
    tickets(15)
    container.agents.update(ann, AgentChanges(capacity=5), actor_id=None)
    seen = visitor("ann")
    body = seen.filled("/app/desk/fetch", None, {})
    others = [visitor("ann") for _ in range(4)]
    token = dict(part.split("=") for part in body.split("&"))["key"]
    bodies = [other.filled("/app/desk/fetch", None, {"key": token}) for other in others]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda pair: pair[0].post("/app/desk/fetch", pair[1]), zip(others, bodies, strict=True)))
    container.lifecycle.sell(ann, container.assignments.held(ann).tickets[0].id, Buyer(name="K", email="k@example.com"))
    seen.post("/app/desk/fetch", body)
    assert container.assignments.held(ann).held == 4


def test_a_ticket_page_shows_all_there_is_and_takes_notes(visitor: Visit, ann: int, tickets: Any) -> None:
    (ticket,) = tickets(1, description="First line\nsecond line", priority=Priority.HIGH)
    seen = visitor("ann").send("/app/desk/fetch").get(f"/app/desk/tickets/{ticket.id}")
    assert "First line\nsecond line" in seen.text
    assert "Fetched by ann" in seen.text
    assert "must not be empty" in seen.send(seen.path, note=" ").text
    assert "Called the customer" in seen.send(seen.path, note="Called the customer").text
    assert seen.press(f"start:{ticket.id}").path == f"/app/desk/tickets/{ticket.id}"


def test_somebody_elses_ticket_is_not_there(visitor: Visit, ann: int, person: Any, tickets: Any) -> None:
    (ticket,) = tickets(1)
    person("bob")
    visitor("bob").send("/app/desk/fetch")
    seen = visitor("ann")
    assert seen.get(f"/app/desk/tickets/{ticket.id}").status == 404
    assert "None of these tickets is in your hand any more." in seen.get(f"/app/desk/sell?ticket={ticket.id}").text
    for act in ("start", "resolve", "close"):
        token = dict(seen.get("/app/desk").form("/app/desk/fetch").fields)
        body = f"csrf={token['csrf']}&act={act}&ticket={ticket.id}"
        assert f"Ticket {ticket.id} is not in your hand any more." in seen.post("/app/desk/act", body).text


@pytest.mark.parametrize("body", ["act=burn&ticket=1", "act=start&ticket=x", "act=start&ticket=-1", "act=start:0"])
def test_forms_that_no_page_made_are_refused_with_a_page(visitor: Visit, ann: int, body: str) -> None:
    seen = visitor("ann")
    token = dict(seen.form("/app/desk/fetch").fields)["csrf"]
    seen.post("/app/desk/act", f"{body}&csrf={token}")
    assert seen.status in {200, 400}
    assert "Sign out" in seen.text
