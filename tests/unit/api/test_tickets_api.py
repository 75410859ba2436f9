from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from flask.testing import FlaskClient

from service.domain.model import Page, Priority, TicketStatus
from service.usecases.lifecycle import Sale
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.tickets import Buyer, TicketChanges, TicketDraft, TicketFilter
from tests.unit.api.fakes import NOW, FakeServices, a_ticket

BUYER = {"name": "Ada", "email": "ada@example.com"}


def test_a_ticket_is_described_under_the_names_all_clients_know(admin: FlaskClient, services: FakeServices) -> None:
    services.tickets.results["get"] = a_ticket(status=TicketStatus.SOLD, agent_id=2, customer_id=5, sold_at=NOW)
    answer = admin.get("/api/tickets/7")
    assert answer.headers["ETag"] == '"3"'
    assert answer.json == {
        "id": 7, "subject": "Printer on fire", "title": "Printer on fire", "description": "", "priority": "medium",
        "status": "sold", "is_sold": True, "agent_id": 2, "assigned_to": 2, "customer_id": 5, "created_by": 1,
        "creation_order": 7, "epoch": 3, "created_at": "2026-01-31T09:00:00Z", "updated_at": "2026-01-31T09:00:00Z",
        "assigned_at": None, "resolved_at": None, "sold_at": "2026-01-31T09:00:00Z", "external_id": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        {"subject": " A  b "},
        {"title": "A  b"},
        {"subject": "A  b", "title": "A  b"},
        {"subject": None, "title": "A  b"},
    ],
)
def test_create_takes_subject_or_title(admin: FlaskClient, services: FakeServices, body: dict[str, Any]) -> None:
    answer = admin.post("/api/tickets", json=body)
    assert (answer.status_code, answer.headers["Location"], answer.headers["ETag"]) == (201, "/api/tickets/7", '"3"')
    assert services.tickets.last == ("create", (TicketDraft(subject="A  b"),), {"actor_id": 1, "operation_id": None})


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "subject"),
        ({"subject": "  "}, "subject"),
        ({"subject": "x" * 201}, "subject"),
        ({"title": ""}, "title"),
        ({"subject": "a", "title": "b"}, "title"),
        ({"subject": 5}, "subject"),
        ({"subject": "x", "description": "x" * 20_001}, "description"),
        ({"subject": "x", "description": None}, "description"),
        ({"subject": "x", "priority": "HIGH"}, "priority"),
        ({"subject": "x", "status": "sold"}, "status"),
        ({"subject": "x", "id": 5}, "id"),
    ],
)
def test_create_refuses_what_is_no_ticket(admin: FlaskClient, body: dict[str, Any], field: str) -> None:
    answer = admin.post("/api/tickets", json=body)
    assert (answer.status_code, answer.json["code"]) == (400, "invalid_input")
    assert [error["field"] for error in answer.json["errors"]] == [field]


def test_put_replaces_everything_and_patch_only_what_is_named(admin: FlaskClient, services: FakeServices) -> None:
    admin.put("/api/tickets/7", json={"subject": "New"})
    expected = TicketChanges(subject="New", description="", priority=Priority.MEDIUM)
    assert services.tickets.last == ("update", (7, expected), {"actor_id": 1, "expected_epoch": None})
    admin.patch("/api/tickets/7", json={"description": "More"}, headers={"If-Match": '"3"'})
    expected = TicketChanges(description="More")
    assert services.tickets.last == ("update", (7, expected), {"actor_id": 1, "expected_epoch": 3})
    admin.patch("/api/tickets/7", json={"title": "Newer"}, headers={"If-Match": "*"})
    assert services.tickets.last == (
        "update", (7, TicketChanges(subject="Newer")), {"actor_id": 1, "expected_epoch": None},
    )  # fmt: skip


def test_delete_says_nothing(admin: FlaskClient, services: FakeServices) -> None:
    answer = admin.delete("/api/tickets/7", headers={"If-Match": '"0"'})
    assert (answer.status_code, answer.data) == (204, b"")
    assert "Content-Type" not in answer.headers
    assert services.tickets.last == ("delete", (7,), {"actor_id": 1, "expected_epoch": 0})


def test_lists_pass_filters_and_page_on(admin: FlaskClient, services: FakeServices) -> None:
    answer = admin.get(
        "/api/tickets?status=open,sold&status=open&priority=high&agent_id=2&customer_id=5&q=%20fire%20&limit=5&sort=-created_at"
        "&cursor=abc&created_after=2026-01-31T10:00:00%2B01:00&created_before=2026-02-01&overdue=true"
    )
    assert answer.status_code == 200
    name, arguments, named = services.tickets.last
    assert name == "page"
    assert arguments == (
        TicketFilter(
            statuses=(TicketStatus.OPEN, TicketStatus.SOLD),
            priorities=(Priority.HIGH,),
            agent_id=2,
            customer_id=5,
            text="fire",
            created_after=datetime(2026, 1, 31, 9, tzinfo=UTC),
            created_before=datetime(2026, 2, 1, tzinfo=UTC),
            overdue=True,
        ),
        PageRequest(limit=5, cursor="abc", sort="-created_at"),
    )
    assert named["viewer"].username == "root"


def test_lists_ask_for_fifty_in_creation_order_unless_told_otherwise(
    admin: FlaskClient, services: FakeServices
) -> None:
    admin.get("/api/tickets")
    assert services.tickets.last[1] == (TicketFilter(), PageRequest(limit=50, cursor=None, sort="id"))


def test_lists_link_to_the_next_page_with_the_same_filters(admin: FlaskClient, services: FakeServices) -> None:
    answer = admin.get("/api/tickets?status=open&status=sold&cursor=old&q=a%26b")
    assert answer.json["next"] == "bmV4dA"
    assert (answer.json["total"], answer.json["total_is_exact"]) == (120, True)
    assert answer.headers["Link"] == '</api/tickets?status=open&status=sold&q=a%26b&cursor=bmV4dA>; rel="next"'
    follow = answer.headers["Link"].partition(">")[0].removeprefix("<")
    assert admin.get(follow).status_code == 200
    assert services.tickets.last[1][1].cursor == "bmV4dA"


def test_the_last_page_links_nowhere(admin: FlaskClient, services: FakeServices) -> None:
    services.tickets.results["page"] = Page(items=(), next=None, total=10_000, total_is_exact=False)
    answer = admin.get("/api/tickets")
    assert answer.json == {"items": [], "next": None, "prev": None, "total": 10_000, "total_is_exact": False}
    assert "Link" not in answer.headers


def test_history_is_paged(agent: FlaskClient, services: FakeServices) -> None:
    answer = agent.get("/api/tickets/7/history?limit=2")
    assert answer.json["items"][0]["cause"] == "create"
    assert services.tickets.last[1] == (7, PageRequest(limit=2))
    assert services.tickets.last[2]["viewer"].user_id == 2


def test_a_note_is_created_in_the_callers_name(agent: FlaskClient, services: FakeServices) -> None:
    answer = agent.post("/api/tickets/7/notes", json={"note": "called back"})
    assert (answer.status_code, answer.headers["Location"]) == (201, "/api/tickets/7/notes")
    name, arguments, named = services.history.last
    assert (name, arguments) == ("note", (7, "called back"))
    assert (named["author"].user_id, named["operation_id"]) == (2, None)
    for body in ({}, {"note": None}, {"note": "x" * 1_001}, {"note": 5}):
        assert agent.post("/api/tickets/7/notes", json=body).json["errors"][0]["field"] == "note"


@pytest.mark.parametrize("body", [None, {}, {"limit": None}, {"limit": 3}])
def test_fetch_tops_the_callers_hand_up(agent: FlaskClient, services: FakeServices, body: Any) -> None:
    answer = agent.post("/api/tickets/fetch", json=body) if body is not None else agent.post("/api/tickets/fetch")
    assert answer.status_code == 200
    assert set(answer.json) == {"tickets", "held", "capacity", "assigned_now"}
    assert (answer.json["held"], answer.json["capacity"], answer.json["assigned_now"]) == (1, 15, 1)
    assert answer.headers["X-Fairdeal-Served-By"] == "queue"
    named = {"limit": (body or {}).get("limit"), "operation_id": None, "seen": None}
    assert services.assignments.last == ("fetch", (2,), named)


def test_held_shows_the_callers_hand(agent: FlaskClient, services: FakeServices) -> None:
    assert agent.get("/api/tickets/held").json["tickets"][0]["id"] == 7
    assert services.assignments.last == ("held", (2,), {"seen": None})


@pytest.mark.parametrize("act", ["start", "resolve", "close"])
def test_moves_pass_the_caller_and_the_epoch_on(agent: FlaskClient, services: FakeServices, act: str) -> None:
    answer = agent.post(f"/api/tickets/7/{act}", headers={"If-Match": '"3"'})
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"4"')
    assert services.lifecycle.last == (act, (2, 7), {"expected_epoch": 3})
    assert agent.post(f"/api/tickets/7/{act}", json={"reason": "x"}).json["errors"][0]["field"] == "reason"


def test_release_needs_a_reason(agent: FlaskClient, services: FakeServices) -> None:
    for body in ({}, {"reason": ""}, {"reason": " \n "}, {"reason": "x" * 501}, {"reason": None}):
        answer = agent.post("/api/tickets/7/release", json=body)
        assert (answer.status_code, answer.json["errors"][0]["field"]) == (400, "reason")
    assert agent.post("/api/tickets/7/release", json={"reason": " lunch "}).status_code == 200
    assert services.lifecycle.last == ("release", (2, 7), {"reason": "lunch", "expected_epoch": None})


def test_sell_names_a_customer_or_nobody(agent: FlaskClient, services: FakeServices) -> None:
    for body, field in (
        ({"customer": None}, "customer"),
        ({"customer": "Ada"}, "customer"),
        ({"customer": {"name": "Ada"}}, "customer.email"),
        ({"customer": {**BUYER, "phone": "5"}}, "customer.phone"),
    ):
        answer = agent.post("/api/tickets/7/sell", json=body)
        assert (answer.status_code, answer.json["errors"][0]["field"]) == (400, field)
    assert agent.post("/api/tickets/7/sell", json={"customer": BUYER}).status_code == 200
    assert services.lifecycle.last == ("sell", (2, 7, Buyer(**BUYER)), {"expected_epoch": None})
    assert agent.post("/api/tickets/7/sell").json["detail"] == "Ticket marked as sold."
    assert services.lifecycle.last == ("sell", (2, 7, None), {"expected_epoch": None})


def test_selling_many_reports_each_on_its_own(agent: FlaskClient, services: FakeServices) -> None:
    answer = agent.post("/api/tickets/sell", json={"sales": [{"ticket_id": n, "customer": BUYER} for n in (7, 8)]})
    assert answer.status_code == 200
    assert services.lifecycle.last == ("sell_many", (2, [Sale(7, Buyer(**BUYER)), Sale(8, Buyer(**BUYER))]), {})
    assert answer.json["sold"] == 1
    sold, refused = answer.json["results"]
    assert (sold["ticket_id"], sold["ticket"]["id"], sold["error"]) == (7, 7, None)
    assert (refused["ticket_id"], refused["ticket"]) == (8, None)
    assert (refused["error"]["code"], refused["error"]["status"]) == ("not_found", 404)


def test_selling_many_refuses_none_too_many_and_the_same_twice(agent: FlaskClient) -> None:
    sale = {"ticket_id": 7, "customer": BUYER}
    for sales, field in (
        ([], "sales"),
        ([{**sale, "ticket_id": n} for n in range(1, 102)], "sales"),
        ([sale, {**sale, "ticket_id": 8}, sale], "sales.2.ticket_id"),
        ([{**sale, "ticket_id": "7"}], "sales.0.ticket_id"),
        ({"7": BUYER}, "sales"),
    ):
        answer = agent.post("/api/tickets/sell", json={"sales": sales})
        assert (answer.status_code, answer.json["errors"][0]["field"]) == (400, field)


def test_admins_assign_return_and_reopen(admin: FlaskClient, services: FakeServices) -> None:
    assert admin.post("/api/tickets/7/assign", json={"agent_id": 2}, headers={"If-Match": '"3"'}).status_code == 200
    assert services.lifecycle.last == (
        "assign",
        (7,),
        {"agent_id": 2, "actor_id": 1, "expected_epoch": 3, "dry_run": False},
    )
    assert admin.post("/api/tickets/7/return").status_code == 200
    assert services.lifecycle.last == (
        "return_one",
        (7,),
        {"actor_id": 1, "reason": "", "expected_epoch": None, "dry_run": False},
    )
    assert admin.post("/api/tickets/7/reopen", json={"reason": "again"}).status_code == 200
    assert services.lifecycle.last == ("reopen", (7,), {"actor_id": 1, "reason": "again", "expected_epoch": None})
