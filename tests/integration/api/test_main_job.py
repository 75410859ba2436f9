"""The main job over HTTP, on real stores: create, fetch, work, sell."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

ADA = {"name": "Ada", "email": "Ada@Example.com"}


def create(admin: FlaskClient, count: int, **values: Any) -> list[int]:
    return [admin.post("/api/tickets", json={"subject": f"Ticket {n}", **values}).json["id"] for n in range(count)]


def ids(answer: Any) -> list[int]:
    return [ticket["id"] for ticket in answer.json["tickets"]]


def test_two_agents_are_dealt_the_oldest_tickets_and_never_the_same(
    admin: FlaskClient, ann: FlaskClient, bob: FlaskClient
) -> None:
    tickets = create(admin, 20)
    first, second = ann.post("/api/tickets/fetch"), bob.post("/api/tickets/fetch/")
    assert first.headers["X-Fairdeal-Served-By"] == "queue"
    assert ids(first) == tickets[:15]
    assert ids(second) == tickets[15:]
    assert (first.json["held"], first.json["capacity"], first.json["assigned_now"]) == (15, 15, 15)
    again = ann.post("/api/tickets/fetch")
    assert (ids(again), again.json["assigned_now"]) == (tickets[:15], 0)
    assert ids(ann.get("/api/tickets/held")) == tickets[:15]


def test_fetch_takes_no_more_than_asked_for(admin: FlaskClient, ann: FlaskClient) -> None:
    tickets = create(admin, 5)
    assert ids(ann.post("/api/tickets/fetch", json={"limit": 2})) == tickets[:2]
    assert ids(ann.post("/api/tickets/fetch", json={"limit": 1})) == tickets[:3]


def test_without_redis_the_database_deals(admin: FlaskClient, ann: FlaskClient, redis_client: Any, keys: Any) -> None:
    tickets = create(admin, 3)
    redis_client.delete(keys.generation)
    answer = ann.post("/api/tickets/fetch")
    assert (ids(answer), answer.headers["X-Fairdeal-Served-By"]) == (tickets, "database")


def test_a_ticket_goes_through_its_life(admin: FlaskClient, ann: FlaskClient) -> None:
    (ticket,) = create(admin, 1)
    ann.post("/api/tickets/fetch")
    started = ann.post(f"/api/tickets/{ticket}/start")
    assert (started.status_code, started.json["status"], started.json["agent_id"]) == (200, "in_progress", ann.user_id)
    assert ann.post(f"/api/tickets/{ticket}/close").json["code"] == "illegal_move"
    assert ann.post(f"/api/tickets/{ticket}/resolve").json["status"] == "resolved"
    assert ann.post(f"/api/tickets/{ticket}/close").json["status"] == "closed"
    reopened = admin.post(f"/api/tickets/{ticket}/reopen", json={"reason": "again"})
    assert (reopened.json["status"], reopened.json["agent_id"]) == ("open", None)
    history = admin.get(f"/api/tickets/{ticket}/history").json
    assert [event["cause"] for event in history["items"]] == ["create", "fetch", "start", "resolve", "close", "reopen"]


def test_selling_names_a_customer_once(admin: FlaskClient, ann: FlaskClient) -> None:
    first, second, third = create(admin, 3)
    ann.post("/api/tickets/fetch")
    sold = ann.post(f"/api/tickets/{first}/sell", json={"customer": ADA})
    assert (sold.status_code, sold.json["status"], sold.json["is_sold"]) == (200, "sold", True)
    sales = [
        {"ticket_id": second, "customer": {**ADA, "email": "ada@example.com"}},
        {"ticket_id": third + 50, "customer": ADA},
        {"ticket_id": third, "customer": {"name": "Ada", "email": "no email"}},
    ]
    many = ann.post("/api/tickets/sell", json={"sales": sales})
    assert (many.status_code, many.json["sold"]) == (200, 1)
    assert [result["error"] and result["error"]["code"] for result in many.json["results"]] == [
        None, "not_found", "invalid_input",
    ]  # fmt: skip
    customers = admin.get("/api/customers").json["items"]
    assert [customer["email"] for customer in customers] == ["ada@example.com"]
    assert many.json["results"][0]["ticket"]["customer_id"] == customers[0]["id"]
    assert admin.delete(f"/api/customers/{customers[0]['id']}").json["code"] == "conflict"
    assert ann.get("/api/tickets/held").json["held"] == 1


def test_released_tickets_go_back_to_their_place(admin: FlaskClient, ann: FlaskClient, bob: FlaskClient) -> None:
    tickets = create(admin, 3)
    ann.post("/api/tickets/fetch", json={"limit": 2})
    assert ann.post(f"/api/tickets/{tickets[0]}/release", json={"reason": "lunch"}).json["status"] == "open"
    assert ids(bob.post("/api/tickets/fetch")) == [tickets[0], tickets[2]]
    assert admin.post(f"/api/tickets/{tickets[1]}/return").json["status"] == "open"
    assert admin.post(f"/api/agents/{bob.user_id}/return-tickets").json["returned"] == 2
    assert ids(ann.post("/api/tickets/fetch")) == tickets


def test_an_agent_sees_their_own_tickets_alone(admin: FlaskClient, ann: FlaskClient, bob: FlaskClient) -> None:
    tickets = create(admin, 2)
    ann.post("/api/tickets/fetch", json={"limit": 1})
    assert ann.get(f"/api/tickets/{tickets[0]}").status_code == 200
    for path in ("", "/history"):
        assert bob.get(f"/api/tickets/{tickets[0]}{path}").status_code == 404
    assert bob.post(f"/api/tickets/{tickets[0]}/start").status_code == 404
    assert [ticket["id"] for ticket in ann.get("/api/tickets").json["items"]] == [tickets[0]]
    assert bob.get("/api/tickets").json == {"items": [], "next": None, "prev": None, "total": 0, "total_is_exact": True}
    assert admin.get("/api/tickets").json["total"] == 2


def test_etags_guard_against_changed_hands(admin: FlaskClient, ann: FlaskClient) -> None:
    (ticket,) = create(admin, 1)
    before = admin.get(f"/api/tickets/{ticket}").headers["ETag"]
    after = ann.post("/api/tickets/fetch").json["tickets"][0]
    for method, path, body in (
        ("PATCH", "", {"priority": "high"}),
        ("PUT", "", {"subject": "New"}),
        ("DELETE", "", None),
        ("POST", "/return", None),
    ):
        answer = admin.open(f"/api/tickets/{ticket}{path}", method=method, json=body, headers={"If-Match": before})
        assert (answer.status_code, answer.json["code"]) == (412, "stale_epoch")
    fresh = {"If-Match": f'"{after["epoch"]}"'}
    changed = admin.patch(f"/api/tickets/{ticket}", json={"priority": "high"}, headers=fresh)
    assert (changed.status_code, changed.json["priority"], changed.headers["ETag"]) == (200, "high", fresh["If-Match"])


def test_an_admin_assigns_within_the_cap(admin: FlaskClient, ann: FlaskClient, bob: FlaskClient) -> None:
    tickets = create(admin, 16)
    ann.post("/api/tickets/fetch")
    full = admin.post(f"/api/tickets/{tickets[15]}/assign", json={"agent_id": ann.user_id})
    assert (full.status_code, full.json["code"]) == (409, "agent_at_capacity")
    moved = admin.post(f"/api/tickets/{tickets[0]}/assign", json={"agent_id": bob.user_id})
    assert (moved.status_code, moved.json["agent_id"]) == (200, bob.user_id)
    assert admin.post(f"/api/tickets/{tickets[0]}/assign", json={"agent_id": 2**62}).status_code in {400, 404}


def test_deleted_tickets_are_gone(admin: FlaskClient, ann: FlaskClient) -> None:
    tickets = create(admin, 2)
    assert admin.delete(f"/api/tickets/{tickets[0]}/").status_code == 204
    assert admin.get(f"/api/tickets/{tickets[0]}").status_code == 404
    assert admin.delete(f"/api/tickets/{tickets[0]}").status_code == 404
    assert ids(ann.post("/api/tickets/fetch")) == [tickets[1]]


def test_away_and_inactive_agents_get_nothing(admin: FlaskClient, ann: FlaskClient, bob: FlaskClient) -> None:
    create(admin, 2)
    assert ann.post(f"/api/agents/{ann.user_id}/availability", json={"availability": "away"}).status_code == 200
    away = ann.post("/api/tickets/fetch")
    assert (away.status_code, away.json["code"]) == (409, "agent_away")
    assert admin.patch(f"/api/users/{bob.user_id}", json={"is_active": False}).status_code == 200
    assert bob.post("/api/tickets/fetch").status_code == 401


@pytest.mark.parametrize("sort", ["id", "-id", "subject", "-subject", "-created_at", "updated_at"])
def test_pages_follow_one_another_to_the_end(admin: FlaskClient, sort: str) -> None:
    tickets = create(admin, 5)
    seen: list[int] = []
    path = f"/api/tickets?limit=2&sort={sort}&status=open"
    for _ in range(3):
        answer = admin.get(path)
        assert answer.json["total"] == 5
        seen += [ticket["id"] for ticket in answer.json["items"]]
        path = answer.headers.get("Link", "").partition(">")[0].removeprefix("<")
    assert seen == sorted(tickets, reverse=sort.startswith("-"))
    assert path == ""


@pytest.mark.parametrize("query", ["cursor=nonsense", "sort=password_hash", "cursor=WyJpZCIsMSwxXQ&sort=-id"])
def test_cursors_and_sorts_that_are_not_ours_are_refused(admin: FlaskClient, query: str) -> None:
    for many in ("tickets", "users", "agents", "customers", "ops/reconciliations"):
        answer = admin.get(f"/api/{many}?{query}")
        assert (answer.status_code, answer.json["code"]) == (400, "invalid_input")


def test_lists_are_searched_and_filtered(admin: FlaskClient) -> None:
    create(admin, 2)
    (fire,) = create(admin, 1, subject="100% on fire_", priority="high")
    for query in ("q=FIRE_", "q=100%25", "priority=high", "priority=high,low&status=open", f"q={'fire'}&sort=-id"):
        assert [ticket["id"] for ticket in admin.get(f"/api/tickets?{query}").json["items"]] == [fire]
    assert admin.get("/api/tickets?created_after=2999-01-01").json["items"] == []
    assert admin.get("/api/tickets?status=sold").json["total"] == 0


def test_admins_see_what_away_agents_have_begun(admin: FlaskClient, ann: FlaskClient, bob: FlaskClient) -> None:
    first, second, third = create(admin, 3)
    ann.post("/api/tickets/fetch", json={"limit": 2})
    bob.post("/api/tickets/fetch")
    for client, ticket in ((ann, second), (bob, third)):
        client.post(f"/api/tickets/{ticket}/start")
    ann.post(f"/api/agents/{ann.user_id}/availability", json={"availability": "away"})

    def listed(query: str) -> list[int]:
        return [ticket["id"] for ticket in admin.get(f"/api/tickets?{query}").json["items"]]

    assert listed("holder_away_s=0") == [first, second]
    assert listed("holder_away_s=0&status=in_progress") == [second]
    assert listed("holder_away_s=900&status=in_progress") == []
    ann.post(f"/api/tickets/{second}/resolve")
    assert listed("holder_away_s=0") == [first]
    assert admin.get("/api/tickets?holder_away_s=-1").status_code == 400
