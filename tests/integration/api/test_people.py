"""People over HTTP, on real stores."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

PASSWORD = "Correct-horse-7"
NEW = "Battery-staple-8"


def test_a_user_is_created_read_changed_and_deleted(admin: FlaskClient) -> None:
    made = admin.post("/api/users/", json={"username": "Zoe", "password": PASSWORD, "role": "operator"})
    assert made.status_code == 201
    path = made.headers["Location"]
    assert admin.get(path).json == made.json
    changed = admin.patch(path, json={"first_name": "Zoë", "email": "Zoe@Example.com"})
    assert (changed.json["first_name"], changed.json["last_name"]) == ("Zoë", "")
    assert admin.patch(path, json={"email": None}).json["email"] is None
    replaced = admin.put(path + "/", json={"username": "zoe2", "role": "agent"})
    assert (replaced.json["username"], replaced.json["role"], replaced.json["first_name"]) == ("zoe2", "agent", "")
    assert admin.delete(path).status_code == 204
    assert admin.get(path).status_code == 404
    assert admin.get("/api/users?q=zoe").json["total"] == 0


@pytest.mark.parametrize(
    ("values", "status", "field"),
    [
        ({"password": "short"}, 400, "password"),
        ({"username": ""}, 400, "username"),
        ({"username": "a\u0000b"}, 400, "username"),
        ({"email": "nobody"}, 400, "email"),
        ({"first_name": "x" * 900}, 400, "first_name"),
        ({"username": "ROOT"}, 409, "username"),
    ],
)
def test_users_that_cannot_be_are_refused(admin: FlaskClient, values: dict[str, Any], status: int, field: str) -> None:
    answer = admin.post("/api/users", json={"username": "zoe", "password": PASSWORD, "role": "agent", **values})
    assert answer.status_code == status
    assert field in ({error["field"] for error in answer.json["errors"]} if status == 400 else {answer.json["field"]})


def test_the_last_admin_cannot_go(admin: Any) -> None:
    for answer in (
        admin.delete(f"/api/users/{admin.user_id}"),
        admin.patch(f"/api/users/{admin.user_id}", json={"role": "agent"}),
        admin.patch(f"/api/users/{admin.user_id}", json={"is_active": False}),
    ):
        assert (answer.status_code, answer.json["code"]) == (409, "conflict")


def test_an_agent_is_a_user_with_a_profile(admin: FlaskClient, app: Any) -> None:
    made = admin.post("/api/agents", json={"username": "zoe", "password": PASSWORD, "level": "senior"})
    assert (made.status_code, made.json["level"], made.json["held"]) == (201, "senior", 0)
    assert admin.get(f"/api/users/{made.json['id']}").json["role"] == "agent"
    zoe = app.test_client()
    tokens = zoe.post("/api/token", json={"username": "zoe", "password": PASSWORD}).json
    own = zoe.get(f"/api/agents/{made.json['id']}", headers={"Authorization": f"Bearer {tokens['access']}"})
    assert own.json == made.json
    assert admin.get("/api/agents?level=senior").json["total"] == 1


def test_capacity_stays_above_what_is_held(admin: FlaskClient, ann: Any) -> None:
    for n in range(3):
        admin.post("/api/tickets", json={"subject": f"Ticket {n}"})
    ann.post("/api/tickets/fetch")
    answer = admin.patch(f"/api/agents/{ann.user_id}", json={"capacity": 2})
    assert (answer.status_code, answer.json["held"], answer.json["capacity"]) == (409, 3, 2)


def test_changing_the_password_ends_the_other_sessions(ann: Any, app: Any) -> None:
    other = app.test_client()
    tokens = other.post("/api/token", json={"username": "ann", "password": PASSWORD}).json
    wrong = ann.post("/api/me/password", json={"old_password": "wrong", "new_password": NEW})
    assert (wrong.status_code, wrong.json["errors"][0]["field"]) == (400, "old_password")
    weak = ann.post("/api/me/password", json={"old_password": PASSWORD, "new_password": "weak"})
    assert (weak.status_code, weak.json["errors"][0]["field"]) == (400, "new_password")
    assert ann.post("/api/me/password", json={"old_password": PASSWORD, "new_password": NEW}).status_code == 204
    assert ann.get("/api/me").status_code == 200
    assert other.get("/api/me", headers={"Authorization": f"Bearer {tokens['access']}"}).status_code == 401
    assert other.post("/api/token", json={"username": "ann", "password": PASSWORD}).status_code == 401
    assert other.post("/api/token", json={"username": "ann", "password": NEW}).status_code == 200


def test_sessions_are_refreshed_and_ended(ann: Any, app: Any) -> None:
    client = app.test_client()
    pair = client.post("/api/token/refresh/", json={"refresh": ann.tokens["refresh"]}).json
    assert pair["refresh"] != ann.tokens["refresh"]
    assert client.post("/api/token/revoke", json={"refresh": pair["refresh"]}).status_code == 204
    assert ann.get("/api/me").status_code == 401
    assert client.post("/api/token/refresh", json={"refresh": pair["refresh"]}).status_code == 401


def test_a_deactivated_user_is_out_at_once(admin: FlaskClient, ann: Any) -> None:
    assert ann.get("/api/me").status_code == 200
    admin.patch(f"/api/users/{ann.user_id}", json={"is_active": False})
    assert ann.get("/api/me").status_code == 401


def test_another_role_counts_from_the_next_request_on(admin: FlaskClient, ann: Any, app: Any) -> None:
    admin.patch(f"/api/users/{ann.user_id}", json={"role": "admin"})
    tokens = app.test_client().post("/api/token", json={"username": "ann", "password": PASSWORD}).json
    answer = ann.get("/api/users", headers={"Authorization": f"Bearer {tokens['access']}"})
    assert answer.status_code == 200


def test_a_customer_is_kept(admin: FlaskClient) -> None:
    made = admin.post("/api/customers", json={"name": " Ada ", "email": "Ada@Example.com"})
    assert (made.json["name"], made.json["email"]) == ("Ada", "ada@example.com")
    taken = admin.post("/api/customers", json={"name": "Other", "email": "ADA@example.com"})
    assert (taken.status_code, taken.json["field"]) == (409, "email")
    path = made.headers["Location"]
    assert admin.patch(path, json={"name": "Ada King"}).json["email"] == "ada@example.com"
    assert admin.delete(path).status_code == 204
    assert admin.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/api/users", "/api/agents"])
def test_agents_find_nobody_by_an_address_that_they_may_not_see(admin: FlaskClient, ann: Any, path: str) -> None:
    someone = {"username": "zoe", "password": PASSWORD, "email": "secret@example.com", "first_name": "Zoe"}
    assert admin.post("/api/agents", json=someone).status_code == 201
    assert admin.get(f"{path}?q=secret@").json["total"] == 1
    assert ann.get(f"{path}?q=secret@").json["total"] == 0
    assert ann.get(f"{path}?q=zoe").json["total"] == 1


def test_agents_do_not_sort_by_addresses_that_they_may_not_see(admin: FlaskClient, ann: Any) -> None:
    assert admin.get("/api/users?sort=email").status_code == 200
    refused = ann.get("/api/users?sort=email")
    assert refused.status_code == 400
    assert "email" not in refused.json["errors"][0]["message"].split("must be one of")[1]
