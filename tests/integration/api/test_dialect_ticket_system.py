"""A client of ticket-system, its whole journey."""

from __future__ import annotations

from typing import Any

import pytest

PASSWORD = "Correct-horse-7"
NEW = "Battery-staple-8"


def create(admin: Any, count: int) -> list[int]:
    return [admin.post("/api/tickets/", json={"subject": f"Ticket {n}"}).json["id"] for n in range(count)]


def signed_in(app: Any, username: str, password: str = PASSWORD) -> Any:
    client = app.test_client()
    access = client.post("/api/token/", json={"username": username, "password": password}).json["access"]
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {access}"
    return client


def test_a_user_becomes_an_agent(admin: Any, ann: Any, app: Any) -> None:
    made = admin.post("/api/users/", json={"username": "zoe", "password": PASSWORD})
    assert (made.status_code, made.json["role"]) == (201, "agent")
    agent = admin.post("/api/agents/", json={"user": made.json["id"]})
    assert (agent.status_code, agent.json["user"]) == (201, made.json["id"])
    boss = admin.post("/api/users/", json={"username": "boss", "password": PASSWORD, "role": "admin"}).json
    former = admin.post("/api/agents/", json={"user": boss["id"]})
    assert (former.status_code, former.json["id"]) == (201, boss["id"])
    assert admin.get(f"/api/users/{boss['id']}/").json["role"] == "agent"
    for body in ({"user": 10**9}, {"user": "zoe"}, {"user": made.json["id"], "level": "senior"}, {}):
        assert admin.post("/api/agents/", json=body).status_code == 400
    assert ann.post("/api/agents/", json={"user": ann.user_id}).status_code == 403
    create(admin, 1)
    assert len(signed_in(app, "boss").post("/api/tickets/fetch_tickets/").json) == 1


def test_the_last_admin_does_not_become_an_agent(admin: Any) -> None:
    assert admin.post("/api/agents/", json={"user": admin.user_id}).status_code == 409
    assert admin.get("/api/me").json["role"] == "admin"


def test_agents_read_the_lists_without_the_addresses_of_others(admin: Any, ann: Any, bob: Any, operator: Any) -> None:
    for person in (ann, bob):
        admin.patch(f"/api/users/{person.user_id}/", json={"email": f"{person.user_id}@b.example", "phone": "112"})
    for many in ("users", "agents"):
        told = {each["id"]: (each["email"], each["phone"]) for each in ann.get(f"/api/{many}/?format=list").json}
        assert told[ann.user_id] == (f"{ann.user_id}@b.example", "112")
        assert told[bob.user_id] == (None, "")
        assert operator.get(f"/api/{many}/").status_code == 403
        assert admin.get(f"/api/{many}/?q=bob").json["items"][0]["phone"] == "112"


def test_people_read_themselves_and_nobody_else(ann: Any, bob: Any) -> None:
    for many in ("users", "agents"):
        assert ann.get(f"/api/{many}/{ann.user_id}/").json["username"] == "ann"
        for method in ("GET", "PUT", "PATCH", "DELETE"):
            answer = ann.open(f"/api/{many}/{bob.user_id}/", method=method, json={"username": "x"})
            assert answer.status_code == 403


@pytest.mark.parametrize("many", ["users", "agents"])
def test_agents_change_their_names_email_and_password_and_nothing_else(
    admin: Any, ann: Any, app: Any, many: str
) -> None:
    path = f"/api/{many}/{ann.user_id}/"
    changed = ann.patch(path, json={"first_name": "Ann", "last_name": "Lee", "email": "ann@b.example"})
    assert changed.status_code == 200
    assert (changed.json["first_name"], changed.json["last_name"], changed.json["email"]) == (
        "Ann", "Lee", "ann@b.example",
    )  # fmt: skip
    refused = [{"username": "queen"}, {"phone": "1"}, {"is_active": False}]
    refused += [{"role": "admin"}] if many == "users" else [{"level": "senior"}, {"capacity": 1}, {"auto_assign": True}]
    for field in refused:
        answer = ann.patch(path, json={"first_name": "Eve", **field})
        assert (answer.status_code, next(iter(field)) in answer.json["detail"]) == (403, True)
    as_it_is = {"username": "ann", "first_name": "Anna"} | ({"role": "agent"} if many == "users" else {})
    replaced = ann.put(path, json=as_it_is)
    assert (replaced.status_code, replaced.json["first_name"], replaced.json["last_name"]) == (200, "Anna", "Lee")
    assert ann.patch(path, json={"password": "weak"}).status_code == 400
    assert ann.patch(path, json={"password": NEW}).status_code == 200
    assert ann.get(path).status_code == 401
    assert signed_in(app, "ann", NEW).get(path).status_code == 200


def test_people_may_leave(admin: Any, ann: Any) -> None:
    (ticket,) = create(admin, 1)
    ann.post("/api/tickets/fetch_tickets/")
    assert ann.delete(f"/api/users/{ann.user_id}/").status_code == 204
    assert ann.get("/api/me").status_code == 401
    assert admin.get(f"/api/tickets/{ticket}/").json["status"] == "open"


def test_an_agent_works_their_own_tickets_by_patch(admin: Any, ann: Any, bob: Any) -> None:
    first, second = create(admin, 2)
    ann.post("/api/tickets/fetch_tickets/")
    path = f"/api/tickets/{first}/"
    changed = ann.patch(path, json={"description": "Looked at", "status": "in_progress"})
    assert (changed.status_code, changed.json["description"], changed.json["status"]) == (
        200, "Looked at", "in_progress",
    )  # fmt: skip
    as_it_is = {"subject": "Ticket 0", "assigned_to": ann.user_id, "status": "resolved"}
    assert ann.put(path, json=as_it_is).json["status"] == "resolved"
    for body in ({"assigned_to": bob.user_id}, {"assigned_to": None}, {"subject": "Mine"}, {"priority": "high"}):
        assert ann.patch(path, json=body).status_code == 403
    assert ann.patch(f"/api/tickets/{second}/", json={"status": "open"}).status_code == 400
    assert ann.patch(f"/api/tickets/{second}/", json={"status": "closed"}).json["code"] == "illegal_move"
    assert ann.patch(f"/api/tickets/{second}/", json={"status": "sold"}).json["is_sold"] is True
    for body in ({"description": "x"}, {"status": "closed"}):
        assert bob.patch(path, json=body).status_code == 403
    assert bob.patch("/api/tickets/999999/", json={"description": "x"}).status_code == 403
    told = admin.get(path).json
    assert (told["agent_id"], told["status"], told["description"]) == (ann.user_id, "resolved", "Looked at")
    causes = [event["cause"] for event in admin.get(f"/api/tickets/{first}/history").json["items"]]
    assert causes == ["create", "fetch", "start", "edit", "resolve"]


def test_words_that_will_not_do_keep_the_state_too(admin: Any, ann: Any) -> None:
    (ticket,) = create(admin, 1)
    ann.post("/api/tickets/fetch_tickets/")
    answer = ann.patch(f"/api/tickets/{ticket}/", json={"status": "resolved", "description": "a\u0000b"})
    assert answer.status_code == 400
    assert admin.get(f"/api/tickets/{ticket}/").json["status"] == "assigned"


def test_an_admin_says_whose_a_ticket_is(admin: Any, ann: Any, bob: Any) -> None:
    (ticket,) = create(admin, 1)
    path = f"/api/tickets/{ticket}/"
    assert admin.patch(path, json={"assigned_to": ann.user_id}).json["assigned_to"] == ann.user_id
    stale = admin.patch(path, json={"assigned_to": bob.user_id}, headers={"If-Match": '"0"'})
    assert stale.status_code == 412
    assert admin.put(path, json={"subject": "New", "assigned_to": bob.user_id}).json["subject"] == "New"
    assert [each["id"] for each in bob.post("/api/tickets/fetch_tickets/").json] == [ticket]
    assert admin.patch(path, json={"status": "resolved"}).json["status"] == "resolved"
    assert admin.patch(path, json={"assigned_to": bob.user_id, "status": "resolved"}).status_code == 200
    assert admin.patch(path, json={"status": "open"}).json["assigned_to"] is None
    assert admin.patch(path, json={"assigned_to": ann.user_id, "agent_id": bob.user_id}).status_code == 400
    assert admin.patch(path, json={"assigned_to": ann.user_id}).status_code == 200
    assert admin.patch(path, json={"assigned_to": None}).json["status"] == "open"
    assert admin.delete(path).status_code == 204


def test_tickets_are_fetched_and_sold_by_the_list(admin: Any, ann: Any, bob: Any) -> None:
    tickets = create(admin, 17)
    fetched = ann.post("/api/tickets/fetch_tickets/")
    assert (fetched.status_code, [each["id"] for each in fetched.json]) == (200, tickets[:15])
    assert [each["id"] for each in bob.post("/api/tickets/fetch_tickets").json] == tickets[15:]
    assert admin.post("/api/tickets/fetch_tickets/").status_code == 403

    ids = [tickets[0], tickets[15], tickets[1], 10**9]
    sold = ann.post("/api/tickets/sell_tickets/", json={"ticket_ids": ids})
    assert (sold.status_code, sold.json["sold"], sold.json["refused"]) == (
        200, [tickets[0], tickets[1]], [tickets[15], 10**9],
    )  # fmt: skip
    assert [error["ticket_id"] for error in sold.json["errors"]] == [tickets[15], 10**9]
    untouched = bob.get(f"/api/tickets/{tickets[15]}/").json
    assert (untouched["status"], untouched["agent_id"]) == ("assigned", bob.user_id)
    again = ann.post("/api/tickets/sell_tickets/", json={"ticket_ids": [tickets[0]]})
    assert (again.json["sold"], again.json["errors"][0]["error"]["code"]) == ([], "illegal_move")
    assert admin.post("/api/tickets/sell_tickets/", json={"ticket_ids": ids}).status_code == 403
    for body in ({}, {"ticket_ids": []}, {"ticket_ids": ["1"]}, {"ticket_ids": 5}):
        assert ann.post("/api/tickets/sell_tickets/", json=body).status_code == 400
