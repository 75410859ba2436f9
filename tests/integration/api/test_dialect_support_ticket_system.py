"""A client of support-ticket-system, its whole journey."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, text

PASSWORD = "Correct-horse-7"
TICKET = {"id", "title", "description", "status", "created_at", "updated_at", "created_by"}

Client = Callable[[Any], Any]


@pytest.fixture
def by_token(app: Any) -> Client:
    """Sign somebody in once more, the way this system did."""

    def signed_in(person: Any) -> Any:
        client = app.test_client()
        name = person.get("/api/me").json["username"]
        token = client.post("/api-token-auth/", json={"username": name, "password": PASSWORD}).json["token"]
        client.environ_base["HTTP_AUTHORIZATION"] = f"Token {token}"
        client.user_id, client.token = person.user_id, token
        return client

    return signed_in


def create(admin: Any, count: int) -> list[int]:
    body = {"title": "Printer on fire", "description": "Third floor"}
    return [admin.post("/api/tickets/", json=body).json["id"] for _ in range(count)]


def test_a_token_signs_in_until_it_is_revoked(app: Any, admin: Any, by_token: Client, engine: Engine) -> None:
    client = app.test_client()
    assert client.post("/api-token-auth/", json={"username": "root", "password": "wrong"}).status_code == 401
    root = by_token(admin)
    assert root.get("/api/me").json["username"] == "root"
    assert by_token(admin).token != root.token
    with engine.connect() as connection:
        kept = connection.execute(text("SELECT s::text FROM sessions s")).scalars().all()
        years = connection.execute(text("SELECT max(expires_at) > now() + interval '300 days' FROM sessions"))
        assert years.scalar_one() is True
    assert not any(root.token in row for row in kept)
    for forged in ("Token", "Token x", f"Token {root.token[:-1]}", f"Token {'0' * 40}", f"Bearer {root.token}"):
        assert client.get("/api/me", headers={"Authorization": forged}).status_code == 401
    assert root.post("/api/token/revoke").status_code == 204
    assert root.get("/api/me").status_code == 401


def test_a_new_password_and_deactivation_end_tokens(admin: Any, ann: Any, bob: Any, by_token: Client) -> None:
    first, second = by_token(ann), by_token(bob)
    admin.patch(f"/api/users/{ann.user_id}", json={"password": "Battery-staple-8"})
    admin.patch(f"/api/users/{bob.user_id}", json={"is_active": False})
    assert (first.get("/api/me").status_code, second.get("/api/me").status_code) == (401, 401)


def test_admins_keep_tickets(admin: Any, ann: Any, operator: Any, by_token: Client, app: Any) -> None:
    root, agent = by_token(admin), by_token(ann)
    made = root.post("/api/tickets/", json={"title": "Printer on fire", "description": "Third floor"})
    assert (made.status_code, set(made.json) >= TICKET) == (201, True)
    assert (made.json["title"], made.json["status"], made.json["created_by"]) == (
        "Printer on fire", "open", admin.user_id,
    )  # fmt: skip
    path = f"/api/tickets/{made.json['id']}/"
    assert root.get(path).json == made.json
    assert root.put(path, json={"title": "Fire", "description": "Out"}).json["title"] == "Fire"
    assert root.patch(path, json={"title": "Smoke"}).json["title"] == "Smoke"
    for client in (root, agent, by_token(operator)):
        assert client.get("/api/tickets/").status_code == 200
    assert by_token(operator).get(path).json["status"] == "open"
    for call in (
        agent.post("/api/tickets/", json={"title": "x", "description": ""}),
        agent.put(path, json={"title": "x", "description": ""}),
        agent.patch(path, json={"title": "x"}),
        agent.delete(path),
    ):
        assert call.status_code == 403
    assert app.test_client().get("/api/tickets/").status_code == 401
    assert root.delete(path).status_code == 204
    assert root.get(path).status_code == 404


def test_an_agent_gets_assignments_in_the_order_assigned(admin: Any, ann: Any, bob: Any, by_token: Client) -> None:
    agent = by_token(ann)
    assert agent.get("/api/agent/tickets/").json == []
    tickets = create(by_token(admin), 17)
    admin.post(f"/api/tickets/{tickets[16]}/assign", json={"agent_id": ann.user_id})
    answer = agent.get("/api/agent/tickets/")
    assert (answer.status_code, len(answer.json)) == (200, 15)
    assert [each["ticket"]["id"] for each in answer.json] == [tickets[16], *tickets[:14]]
    assert len({each["id"] for each in answer.json}) == 15
    for each in answer.json:
        assert set(each) == {"id", "ticket", "agent", "assigned_at", "is_active"}
        assert (each["agent"], each["is_active"], each["ticket"]["status"]) == (ann.user_id, True, "assigned")
        assert set(each["ticket"]) >= TICKET
    assert agent.get("/api/agent/tickets").json == answer.json
    assert [each["ticket"]["id"] for each in by_token(bob).get("/api/agent/tickets/").json] == tickets[14:16]
    assert by_token(admin).get("/api/agent/tickets/").status_code == 403


def test_statuses_go_one_way(admin: Any, ann: Any, bob: Any, by_token: Client) -> None:
    agent = by_token(ann)
    first, second = create(by_token(admin), 2)
    agent.get("/api/agent/tickets/")

    def wish(ticket: int, status: str, client: Any = agent) -> Any:
        return client.post("/api/agent/tickets/", json={"ticket_id": ticket, "status": status})

    def refused(answer: Any, words: str) -> None:
        assert answer.status_code == 400
        assert words in answer.get_data(as_text=True)

    refused(wish(first, "closed"), "Cannot change status from assigned to closed")
    refused(wish(first, "assigned"), "Cannot change status from assigned to assigned")
    refused(wish(first, "nonsense"), "Cannot change status from assigned to nonsense")
    ann.post(f"/api/tickets/{second}/start")
    assert agent.get(f"/api/tickets/{second}/").json["status"] == "assigned"
    for ticket in (first, second):
        done = wish(ticket, "resolved")
        assert (done.status_code, done.json) == (200, {"status": "success"})
    refused(wish(first, "resolved"), "Cannot change status from resolved to resolved")
    refused(wish(first, "open"), "Cannot change status from resolved to open")
    assert wish(first, "closed").json == {"status": "success"}
    refused(wish(first, "resolved"), "Cannot change status from closed to resolved")
    assert agent.get(f"/api/tickets/{first}/").json["status"] == "closed"
    for answer in (wish(second, "closed", by_token(bob)), wish(10**9, "resolved")):
        assert answer.status_code == 400
    assert wish(second, "closed", by_token(admin)).status_code == 403
    assert agent.post("/api/agent/tickets/", json={"status": "closed"}).status_code == 400
    assert agent.get("/api/agent/tickets/").json == []


def test_what_is_sold_is_closed_to_them(admin: Any, ann: Any, by_token: Client) -> None:
    (ticket,) = create(by_token(admin), 1)
    agent = by_token(ann)
    agent.get("/api/agent/tickets/")
    ann.post(f"/api/tickets/{ticket}/sell", json={"customer": {"name": "Ada", "email": "ada@b.example"}})
    assert agent.get(f"/api/tickets/{ticket}/").json["status"] == "closed"
    answer = agent.post("/api/agent/tickets/", json={"ticket_id": ticket, "status": "closed"})
    assert "Cannot change status from closed to closed" in answer.get_data(as_text=True)
