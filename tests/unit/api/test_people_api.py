from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from service.domain.errors import AlreadyExists, Conflict
from service.domain.model import Availability, Level, Role
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.people import (
    UNSET,
    AgentChanges,
    AgentDraft,
    AgentFilter,
    CustomerChanges,
    CustomerDraft,
    CustomerFilter,
    UserChanges,
    UserDraft,
    UserFilter,
)
from tests.unit.api.fakes import PASSWORD, FakeServices

ANN = {"username": "ann", "password": PASSWORD}


def test_users_are_created_with_defaults(admin: FlaskClient, services: FakeServices) -> None:
    answer = admin.post("/api/users", json={**ANN, "role": "agent"})
    assert (answer.status_code, answer.headers["Location"]) == (201, "/api/users/1")
    assert services.users.last == ("create", (UserDraft(username="ann", password=PASSWORD, role=Role.AGENT),), {})


def test_passwords_are_never_shown(admin: FlaskClient) -> None:
    for answer in (
        admin.post("/api/users", json={**ANN, "role": "agent"}),
        admin.get("/api/users/1"),
        admin.get("/api/users"),
        admin.post("/api/agents", json=ANN),
    ):
        assert b"password" not in answer.data


def test_put_fills_every_field_and_keeps_the_password(admin: FlaskClient, services: FakeServices) -> None:
    admin.put("/api/users/1", json={"username": "ann", "role": "admin"})
    expected = UserChanges(
        username="ann", role=Role.ADMIN, email=None, first_name="", last_name="", phone="", is_active=True
    )
    assert services.users.last == ("update", (1, expected), {"actor_id": 1})


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, UserChanges()),
        ({"first_name": "Ann"}, UserChanges(first_name="Ann")),
        ({"email": None}, UserChanges(email=None)),
        ({"is_active": False, "role": "operator"}, UserChanges(is_active=False, role=Role.OPERATOR)),
    ],
)
def test_patch_changes_only_what_is_named(
    admin: FlaskClient, services: FakeServices, body: dict[str, Any], expected: UserChanges
) -> None:
    assert admin.patch("/api/users/1", json=body).status_code == 200
    assert services.users.last == ("update", (1, expected), {"actor_id": 1})
    assert (services.users.last[1][1].email is UNSET) == ("email" not in body)


@pytest.mark.parametrize("value", ["true", 1, 0, "no", []])
def test_flags_are_booleans(admin: FlaskClient, value: Any) -> None:
    answer = admin.patch("/api/users/1", json={"is_active": value})
    assert (answer.status_code, answer.json["errors"][0]["field"]) == (400, "is_active")


def test_unknown_roles_are_refused_with_the_known_ones(admin: FlaskClient) -> None:
    answer = admin.post("/api/users", json={**ANN, "role": "boss"})
    assert answer.status_code == 400
    assert answer.json["errors"] == [{"field": "role", "message": "should be 'admin', 'agent' or 'operator'"}]


def test_taken_names_are_a_conflict(admin: FlaskClient, services: FakeServices) -> None:
    services.users.results["create"] = AlreadyExists("The username ann is taken", field="username")
    answer = admin.post("/api/users", json={**ANN, "role": "agent"})
    assert (answer.status_code, answer.json["code"], answer.json["field"]) == (409, "already_exists", "username")


def test_the_last_admin_stays(admin: FlaskClient, services: FakeServices) -> None:
    services.users.results["delete"] = Conflict("root is the last active admin")
    assert admin.delete("/api/users/1").status_code == 409
    assert services.users.last == ("delete", (1,), {"actor_id": 1})


def test_lists_of_people_are_filtered(admin: FlaskClient, services: FakeServices) -> None:
    admin.get("/api/users?role=agent&is_active=true&q=ann&sort=username&limit=3")
    wanted = UserFilter(text="ann", role=Role.AGENT, is_active=True)
    assert services.users.last == ("page", (wanted, PageRequest(limit=3, sort="username")), {})
    admin.get("/api/agents?level=senior&availability=away&is_active=false&sort=-held")
    agents = AgentFilter(level=Level.SENIOR, availability=Availability.AWAY, is_active=False)
    assert services.agents.last == ("page", (agents, PageRequest(sort="-held")), {})
    admin.get("/api/customers?q=ada")
    assert services.customers.last == ("page", (CustomerFilter(text="ada"), PageRequest()), {})


def test_agents_are_user_and_profile_in_one(admin: FlaskClient, services: FakeServices) -> None:
    answer = admin.post("/api/agents", json={**ANN, "level": "senior", "auto_assign": True, "capacity": 3})
    assert (answer.status_code, answer.headers["Location"]) == (201, "/api/agents/2")
    assert services.agents.last[1] == (
        AgentDraft(username="ann", password=PASSWORD, level=Level.SENIOR, auto_assign=True, capacity=3),
    )
    admin.patch("/api/agents/2", json={"capacity": 15, "email": "a@b.example"})
    assert services.agents.last[1] == (2, AgentChanges(capacity=15, email="a@b.example"))
    admin.put("/api/agents/2", json={"username": "ann"})
    everything = AgentChanges(
        username="ann", email=None, first_name="", last_name="", phone="", is_active=True, level=Level.JUNIOR,
        availability=Availability.AVAILABLE, auto_assign=False, capacity=15,
    )  # fmt: skip
    assert services.agents.last[1] == (2, everything)
    assert admin.delete("/api/agents/2").status_code == 204


@pytest.mark.parametrize("capacity", [0, 16, -1, "5", 5.0, True])
def test_capacity_is_an_integer_from_1_to_15(admin: FlaskClient, capacity: Any) -> None:
    answer = admin.patch("/api/agents/2", json={"capacity": capacity})
    assert (answer.status_code, answer.json["errors"][0]["field"]) == (400, "capacity")


def test_availability_is_switched(agent: FlaskClient, services: FakeServices) -> None:
    assert agent.post("/api/agents/2/availability", json={"availability": "away"}).status_code == 200
    assert services.agents.last == ("set_availability", (2, Availability.AWAY), {})
    assert agent.post("/api/agents/2/availability", json={"availability": "asleep"}).status_code == 400


def test_everything_an_agent_holds_is_returned(admin: FlaskClient, services: FakeServices) -> None:
    answer = admin.post("/api/agents/2/return-tickets", json={"reason": "on leave"})
    assert answer.json == {"dry_run": False, "returned": 3, "ticket_ids": [7, 8, 9]}
    assert services.assignments.last == ("return_all", (2,), {"actor_id": 1, "note": "on leave", "dry_run": False})
    assert admin.post("/api/agents/2/return-tickets", json={"dry_run": True}).json["dry_run"]
    assert services.assignments.last[2]["dry_run"]


def test_agents_return_everything_they_hold_in_their_own_name(agent: FlaskClient, services: FakeServices) -> None:
    assert agent.post("/api/agents/2/return-tickets", json={"reason": "lunch"}).json["returned"] == 3
    assert services.assignments.last == ("return_all", (2,), {"actor_id": 2, "note": "lunch", "dry_run": False})


def test_customers_are_kept(admin: FlaskClient, services: FakeServices) -> None:
    ada = {"name": "Ada", "email": "ada@example.com"}
    answer = admin.post("/api/customers", json=ada)
    assert (answer.status_code, answer.headers["Location"]) == (201, "/api/customers/5")
    assert services.customers.last == ("create", (CustomerDraft(**ada),), {})
    admin.put("/api/customers/5", json=ada)
    assert services.customers.last == ("update", (5, CustomerChanges(**ada)), {})
    admin.patch("/api/customers/5", json={"name": "Ada King"})
    assert services.customers.last == ("update", (5, CustomerChanges(name="Ada King")), {})
    assert admin.delete("/api/customers/5").status_code == 204
