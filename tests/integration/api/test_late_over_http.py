"""Late sales and resolutions over HTTP: keys, many at once, and older clients."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine

from service.bootstrap import Container
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.ports.tickets import TicketDraft
from tests.integration.waiting import lose_untouched

ADA = {"name": "Ada Lovelace", "email": "ada@example.com"}
PASSWORD = "Correct-horse-7"


@pytest.fixture
def lost(container: Container, engine: Engine, queue: RedisTicketQueue, ann: Any) -> list[int]:
    """Two tickets that were taken back from Ann."""
    container.tickets.create_many([TicketDraft(subject=f"Ticket {n}") for n in range(2)], actor_id=None)
    ids = [ticket["id"] for ticket in ann.post("/api/tickets/fetch").json["tickets"]]
    assert lose_untouched(engine, queue) == 2
    return ids


def test_a_late_sale_is_answered_as_any_other_and_again_under_its_key(ann: Any, lost: list[int]) -> None:
    path, headers = f"/api/tickets/{lost[0]}/sell", {"Idempotency-Key": "k", "If-Match": '"1"'}
    sold = ann.post(path, json={"customer": ADA}, headers=headers)
    assert (sold.status_code, sold.json["status"], sold.json["agent_id"]) == (200, "sold", ann.user_id)
    again = ann.post(path, json={"customer": ADA}, headers=headers)
    assert (again.status_code, again.json, again.headers["Idempotency-Replayed"]) == (200, sold.json, "true")


def test_a_sale_that_is_too_late_is_a_conflict_that_names_the_state_and_nobody(
    ann: Any, bob: Any, lost: list[int]
) -> None:
    bob.post("/api/tickets/fetch", json={"limit": 1})
    for path in ("sell", "resolve"):
        refused = ann.post(f"/api/tickets/{lost[0]}/{path}")
        assert (refused.status_code, refused.json["code"], refused.json["state"]) == (409, "ticket_taken", "assigned")
        assert refused.json["detail"] == f"Ticket {lost[0]} went back to its queue and is now assigned to another agent"
        assert "bob" not in refused.text


def test_of_many_sales_each_is_late_or_too_late_on_its_own(ann: Any, bob: Any, lost: list[int]) -> None:
    bob.post("/api/tickets/fetch", json={"limit": 1})
    sales = [{"ticket_id": ticket, "customer": ADA} for ticket in lost]
    answer = ann.post("/api/tickets/sell", json={"sales": sales})
    assert (answer.status_code, answer.json["sold"]) == (200, 1)
    assert answer.json["results"][0]["error"]["code"] == "ticket_taken"
    assert answer.json["results"][1]["ticket"]["status"] == "sold"


def test_older_clients_are_late_in_their_own_words(app: Any, ann: Any, bob: Any, lost: list[int]) -> None:
    bob.post("/api/tickets/fetch", json={"limit": 1})
    taken, free = lost
    assert ann.post(f"/api/tickets/{taken}/sell/").status_code == 404
    gone = ann.post(f"/api/agent/sell-ticket/{taken}/", json={"customer": ADA})
    assert (gone.status_code, "assigned to another agent" in gone.json["error"]) == (404, True)
    refused = ann.post("/api/tickets/sell_tickets/", json={"ticket_ids": [taken]})
    assert (refused.status_code, refused.json["sold"], refused.json["refused"]) == (200, [], [taken])
    client = app.test_client()
    token = client.post("/api-token-auth/", json={"username": "ann", "password": PASSWORD}).json["token"]
    client.environ_base["HTTP_AUTHORIZATION"] = f"Token {token}"
    late = client.post("/api/agent/tickets/", json={"ticket_id": taken, "status": "resolved"})
    assert (late.status_code, "assigned to another agent" in late.json["detail"]) == (400, True)
    assert client.post("/api/agent/tickets/", json={"ticket_id": free, "status": "closed"}).status_code == 400
    assert client.post("/api/agent/tickets/", json={"ticket_id": free, "status": "resolved"}).status_code == 200
    assert client.post("/api/agent/tickets/", json={"ticket_id": free, "status": "closed"}).status_code == 200


def test_an_older_client_sells_late(ann: Any, lost: list[int]) -> None:
    assert ann.post(f"/api/tickets/{lost[0]}/sell/").json["detail"] == "Ticket marked as sold."
    assert ann.post(f"/api/agent/sell-ticket/{lost[1]}/", json={"customer": ADA}).status_code == 200
