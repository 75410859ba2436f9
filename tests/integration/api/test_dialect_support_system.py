"""A client of support_system, its whole journey: nothing here knows of our own API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from service.domain.model import Role
from service.usecases.ports.tickets import TicketDraft

PASSWORD = "Correct-horse-7"
TICKET = {
    "id", "subject", "description", "created_by", "assigned_to", "is_sold", "created_at", "updated_at", "assigned_at",
    "creation_order",
}  # fmt: skip


def create(admin: FlaskClient, count: int) -> list[int]:
    body = {"subject": "Printer on fire", "description": "Third floor"}
    return [admin.post("/api/tickets/", json=body).json["id"] for _ in range(count)]


def test_signing_in_and_staying_so(app: Any, admin: Any) -> None:
    client = app.test_client()
    assert client.post("/api/token/", json={"username": "root", "password": "wrong"}).status_code == 401
    pair = client.post("/api/token/", json={"username": "root", "password": PASSWORD})
    assert (pair.status_code, {"access", "refresh"} <= set(pair.json)) == (200, True)
    again = client.post("/api/token/refresh/", json={"refresh": pair.json["refresh"]})
    assert (again.status_code, "access" in again.json) == (200, True)
    header = {"Authorization": f"Bearer {again.json['access']}"}
    assert client.get("/api/users/", headers=header).status_code == 200
    for path in ("/api/users/", "/api/tickets/", "/api/tickets/fetch-tickets/"):
        assert client.get(path).status_code == 401


def test_users_are_kept_by_admins(admin: Any, ann: Any) -> None:
    made = admin.post("/api/users/", json={"username": "zoe", "password": PASSWORD, "role": "agent"})
    assert made.status_code == 201
    assert {"id": made.json["id"], "username": "zoe", "role": "agent"}.items() <= made.json.items()
    path = f"/api/users/{made.json['id']}/"
    assert admin.get(path).json["username"] == "zoe"
    assert "zoe" in [user["username"] for user in admin.get("/api/users/?format=list").json]
    assert admin.put(path, json={"username": "zoe2", "password": PASSWORD, "role": "admin"}).json["role"] == "admin"
    assert admin.patch(path, json={"username": "zoe3"}).json["username"] == "zoe3"
    for call in (
        ann.post("/api/users/", json={"username": "eve", "password": PASSWORD, "role": "admin"}),
        ann.get(path),
        ann.patch(path, json={"username": "eve"}),
        ann.delete(path),
    ):
        assert call.status_code == 403
    assert admin.delete(path).status_code == 204
    assert admin.get(path).status_code == 404


@pytest.mark.parametrize(
    ("values", "field", "messages"),
    [
        ({"password": "Sh0rt-x"}, "password", 1),
        ({"password": "lower-case-7"}, "password", 1),
        ({"password": "UPPER-CASE-7"}, "password", 1),
        ({"password": "No-digits-here"}, "password", 1),
        ({"password": "Nospecial7"}, "password", 1),
        ({"password": "weak"}, "password", 4),
        ({"role": "king"}, "role", 1),
        ({"username": "Root"}, "username", 1),
    ],
)
def test_bad_users_are_refused_field_by_field(admin: Any, values: dict[str, str], field: str, messages: int) -> None:
    answer = admin.post("/api/users/", json={"username": "zoe", "password": PASSWORD, "role": "agent", **values})
    assert answer.status_code == 400
    assert len(answer.json[field]) == messages
    assert all(isinstance(message, str) for message in answer.json[field])


def test_our_own_clients_are_told_of_taken_names_as_before(admin: Any) -> None:
    body = {"username": "root", "password": PASSWORD, "role": "agent"}
    answer = admin.post("/api/users", json=body)
    assert (answer.status_code, answer.json["code"], answer.json["field"]) == (409, "already_exists", "username")


def test_tickets_are_kept_by_admins_and_seen_by_their_agents(admin: Any, ann: Any, bob: Any) -> None:
    made = admin.post("/api/tickets/", json={"subject": "Printer on fire", "description": "Third floor"})
    assert (made.status_code, set(made.json) >= TICKET) == (201, True)
    assert made.json["created_by"] == {"id": admin.user_id, "username": "root"}
    assert (made.json["assigned_to"], made.json["is_sold"], made.json["assigned_at"]) == (None, False, None)
    path = f"/api/tickets/{made.json['id']}/"
    later = admin.post("/api/tickets/", json={"subject": "Another", "description": ""})
    assert later.json["creation_order"] > made.json["creation_order"]
    assert admin.put(path, json={"subject": "Fire", "description": "Out"}).json["subject"] == "Fire"
    assert admin.patch(path, json={"description": "Again"}).json["description"] == "Again"
    for call in (
        ann.post("/api/tickets/", json={"subject": "x", "description": ""}),
        ann.put(path, json={"subject": "x", "description": ""}),
        ann.patch(path, json={"subject": "x"}),
        ann.delete(path),
    ):
        assert call.status_code == 403
    assert ann.get("/api/tickets/?format=list").json == []
    ann.get("/api/tickets/fetch-tickets/")
    assert [each["id"] for each in ann.get("/api/tickets/?format=list").json] == [made.json["id"], later.json["id"]]
    assert ann.get(path).json["created_by"] == {"id": admin.user_id, "username": "root"}
    assert bob.get(path).status_code == 404
    assert len(admin.get("/api/tickets/?format=list").json) == 2
    assert admin.get("/api/tickets/").json["items"][0]["created_by"]["username"] == "root"
    assert admin.get("/api/tickets").json["items"][0]["created_by"] == admin.user_id
    assert admin.delete(path).status_code == 204
    assert admin.get(path).status_code == 404


def test_a_client_that_knows_of_no_priority_changes_none(admin: Any) -> None:
    path = admin.post("/api/tickets", json={"subject": "Fire", "priority": "high"}).headers["Location"]
    assert admin.put(f"{path}/", json={"subject": "Fire", "description": "Out"}).json["priority"] == "high"
    assert admin.put(f"{path}/", json={"subject": "Fire", "priority": "low"}).json["priority"] == "low"
    assert admin.put(path, json={"subject": "Fire"}).json["priority"] == "medium"


def test_fetching_tops_up_to_fifteen_in_creation_order(admin: Any, ann: Any, bob: Any) -> None:
    assert ann.get("/api/tickets/fetch-tickets/").json == []
    tickets = create(admin, 17)
    answer = ann.get("/api/tickets/fetch-tickets/")
    assert answer.status_code == 200
    assert [ticket["id"] for ticket in answer.json] == tickets[:15]
    assert all(set(ticket) >= TICKET and ticket["assigned_to"] == ann.user_id for ticket in answer.json)
    assert ann.get("/api/tickets/fetch-tickets").json == answer.json
    assert [ticket["id"] for ticket in bob.get("/api/tickets/fetch-tickets").json] == tickets[15:]
    assert admin.get("/api/tickets/fetch-tickets/").status_code == 403


def test_head_assigns_nothing(admin: Any, ann: Any) -> None:
    create(admin, 2)
    for path in ("/api/tickets/fetch-tickets/", "/api/agent/fetch-tickets/", "/api/agent/tickets/"):
        assert ann.head(path).status_code == 200
    assert ann.get("/api/tickets/held").json["held"] == 0
    assert ann.get("/api/tickets/fetch-tickets/").headers["Cache-Control"] == "no-store"


def test_a_ticket_is_sold_once(admin: Any, ann: Any, bob: Any) -> None:
    first, second = create(admin, 2)
    ann.get("/api/tickets/fetch-tickets/")
    sold = ann.post(f"/api/tickets/{first}/sell/")
    assert (sold.status_code, sold.json["detail"]) == (200, "Ticket marked as sold.")
    again = ann.post(f"/api/tickets/{first}/sell/")
    assert (again.status_code, again.json["detail"]) == (400, "Ticket already sold.")
    assert bob.post(f"/api/tickets/{second}/sell/").status_code in {403, 404}
    assert admin.post(f"/api/tickets/{second}/sell/").status_code == 403
    assert ann.get(f"/api/tickets/{first}/").json["is_sold"] is True
    assert [ticket["id"] for ticket in ann.get("/api/tickets/fetch-tickets/").json] == [second]


def test_a_ticket_whose_creator_is_gone_says_so_by_name(admin: Any, ann: Any, sign_in: Callable[..., Any]) -> None:
    other = sign_in("second", Role.ADMIN)
    (ticket,) = create(other, 1)
    assert admin.delete(f"/api/users/{other.user_id}/").status_code == 204
    assert admin.get(f"/api/tickets/{ticket}/").json["created_by"] == {"id": other.user_id, "username": "second"}


def test_a_ticket_that_nobody_created_says_so(admin: Any, container: Any) -> None:
    ticket = container.tickets.create(TicketDraft(subject="Imported"), actor_id=None)
    assert admin.get(f"/api/tickets/{ticket.id}/").json["created_by"] is None
