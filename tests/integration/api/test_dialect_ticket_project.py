"""A client of ticket_project, its whole journey."""

from __future__ import annotations

from typing import Any

import pytest

PASSWORD = "Correct-horse-7"
ADA = {"name": "Ada Lovelace", "email": "ada@example.com"}


def create(admin: Any, count: int) -> list[int]:
    return [admin.post("/api/admin/tickets/").json["id"] for _ in range(count)]


def test_an_admin_keeps_tickets(admin: Any, ann: Any, bob: Any) -> None:
    made = admin.post("/api/admin/tickets/", json={})
    assert made.status_code == 201
    assert set(made.json) >= {"id", "created_at", "updated_at"}
    told = {"assigned_to": None, "customer": None, "status": "unassigned"}
    assert told.items() <= made.json.items()
    path = f"/api/admin/tickets/{made.json['id']}/"
    assert admin.get(path).json == made.json
    assert admin.get("/api/admin/tickets/").json == [made.json]
    given = admin.patch(path, json={"assigned_to": ann.user_id})
    assert (given.status_code, given.json["status"], given.json["assigned_to"]) == (200, "assigned", ann.user_id)
    moved = admin.put(path, json={"assigned_to": bob.user_id, "status": "assigned"})
    assert (moved.status_code, moved.json["assigned_to"]) == (200, bob.user_id)
    back = admin.patch(path, json={"status": "unassigned"})
    assert (back.json["status"], back.json["assigned_to"]) == ("unassigned", None)
    refused = admin.patch(path, json={"status": "sold"})
    assert (refused.status_code, refused.json["errors"][0]["field"]) == (400, "status")
    assert admin.put(path, json={}).status_code == 200
    assert admin.delete(path).status_code == 204
    assert admin.get(path).status_code == 404


def test_plain_lists_lead_on_where_they_end(admin: Any) -> None:
    tickets = create(admin, 3)
    first = admin.get("/api/admin/tickets/?limit=2")
    assert [ticket["id"] for ticket in first.json] == tickets[:2]
    follow = first.headers["Link"].partition(">")[0].removeprefix("<")
    rest = admin.get(follow)
    assert ([ticket["id"] for ticket in rest.json], "Link" in rest.headers) == (tickets[2:], False)


def test_an_admin_keeps_customers(admin: Any) -> None:
    made = admin.post("/api/admin/customers/", json=ADA)
    assert (made.status_code, ADA.items() <= made.json.items()) == (201, True)
    path = f"/api/admin/customers/{made.json['id']}/"
    assert admin.get("/api/admin/customers/").json == [made.json]
    assert admin.get(path).json == made.json
    assert admin.put(path, json={**ADA, "name": "Ada King"}).json["name"] == "Ada King"
    assert admin.patch(path, json={"name": "Ada"}).json["name"] == "Ada"
    assert admin.delete(path).status_code == 204
    assert admin.get(path).status_code == 404


def test_an_admin_keeps_agents_whose_password_is_never_told(admin: Any, app: Any) -> None:
    made = admin.post("/api/admin/agents/", json={"username": "zoe", "email": "z@b.example", "password": PASSWORD})
    assert made.status_code == 201
    assert made.json == {"id": made.json["id"], "username": "zoe", "email": "z@b.example", "is_active": True}
    path = f"/api/admin/agents/{made.json['id']}/"
    assert admin.get("/api/admin/agents/").json == [made.json]
    assert admin.get(path).json == made.json
    assert admin.put(path, json={"username": "zoe", "email": "y@b.example"}).json["email"] == "y@b.example"
    client = app.test_client()
    assert client.post("/api/token/", json={"username": "zoe", "password": PASSWORD}).status_code == 200
    assert admin.patch(path, json={"is_active": False}).json["is_active"] is False
    assert client.post("/api/token/", json={"username": "zoe", "password": PASSWORD}).status_code == 401
    assert admin.delete(path).status_code == 204
    assert admin.get(path).status_code == 404


@pytest.mark.parametrize("many", ["tickets", "customers", "agents"])
def test_only_admins_are_let_in_there(app: Any, ann: Any, many: str) -> None:
    assert app.test_client().get(f"/api/admin/{many}/").status_code == 401
    assert ann.get(f"/api/admin/{many}/").status_code == 403
    assert ann.post(f"/api/admin/{many}/", json={}).status_code == 403


def test_an_agent_fetches_and_sells(admin: Any, ann: Any, bob: Any) -> None:
    assert ann.get("/api/agent/fetch-tickets/").json == []
    tickets = create(admin, 16)
    fetched = ann.get("/api/agent/fetch-tickets/")
    assert [ticket["id"] for ticket in fetched.json] == tickets[:15]
    assert {(ticket["status"], ticket["assigned_to"]) for ticket in fetched.json} == {("assigned", ann.user_id)}
    assert admin.get("/api/agent/fetch-tickets/").status_code == 403

    sold = ann.post(f"/api/agent/sell-ticket/{tickets[0]}/", json={"customer": ADA})
    assert (sold.status_code, "Ada Lovelace" in sold.json["message"]) == (200, True)
    ann.post(f"/api/agent/sell-ticket/{tickets[1]}/", json={"customer": {**ADA, "email": "ADA@example.com"}})
    customers = admin.get("/api/admin/customers/").json
    assert [customer["email"] for customer in customers] == ["ada@example.com"]
    for ticket in tickets[:2]:
        told = admin.get(f"/api/admin/tickets/{ticket}/").json
        assert (told["status"], told["customer"]) == ("sold", customers[0]["id"])

    again = ann.post(f"/api/agent/sell-ticket/{tickets[0]}/", json={"customer": ADA})
    assert (again.status_code, bool(again.json["error"])) == (404, True)
    for client, ticket in ((bob, tickets[2]), (ann, tickets[15]), (ann, 10**9)):
        refused = client.post(f"/api/agent/sell-ticket/{ticket}/", json={"customer": ADA})
        assert (refused.status_code, bool(refused.json["error"])) == (404, True)
    assert admin.get(f"/api/admin/tickets/{tickets[2]}/").json["status"] == "assigned"


@pytest.mark.parametrize(
    "body", [None, {}, {"customer": None}, {"customer": "Ada"}, {"customer": {}}, {"customer": {**ADA, "email": "no"}}]
)
def test_a_sale_needs_a_customer(admin: Any, ann: Any, body: Any) -> None:
    (ticket,) = create(admin, 1)
    ann.get("/api/agent/fetch-tickets/")
    refused = ann.post(f"/api/agent/sell-ticket/{ticket}/", json=body)
    assert (refused.status_code, bool(refused.json["error"])) == (400, True)
    assert admin.get(f"/api/admin/tickets/{ticket}/").json["status"] == "assigned"
