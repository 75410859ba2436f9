"""Service levels over HTTP, on real stores."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from service.bootstrap import build_container
from service.config import Settings
from service.domain.model import Principal, Role
from service.domain.service_levels import DEFAULT_TARGETS
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.tickets import TicketFilter

AGE_TICKET = text("UPDATE tickets SET created_at = created_at - :age WHERE id = :id")
AGE_EVENTS = text("UPDATE ticket_events SET at = at - :age WHERE ticket_id = :id")
KIM = {"name": "Kim", "email": "kim@example.com"}


def create(admin: FlaskClient, engine: Engine, *, priority: str = "medium", hours_ago: float = 0) -> int:
    ticket = int(admin.post("/api/tickets", json={"subject": "Printer on fire", "priority": priority}).json["id"])
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in (AGE_TICKET, AGE_EVENTS):
            connection.execute(statement, {"age": timedelta(hours=hours_ago), "id": ticket})
    return ticket


def level(client: FlaskClient, ticket: int) -> Any:
    answer = client.get(f"/api/tickets/{ticket}/service-levels")
    assert answer.status_code == 200
    return answer.json


def listed(client: FlaskClient, query: str) -> list[int]:
    return [ticket["id"] for ticket in client.get(f"/api/tickets?{query}").json["items"]]


def test_times_are_computed_from_the_history(admin: FlaskClient, ann: Any, engine: Engine) -> None:
    ticket = create(admin, engine, hours_ago=1)
    ann.post("/api/tickets/fetch")
    admin.post(f"/api/tickets/{ticket}/notes", json={"note": "x"})
    ann.post(f"/api/tickets/{ticket}/sell", json={"customer": KIM})
    told = level(admin, ticket)
    assert told == level(ann, ticket) | {"age_s": told["age_s"]}
    assert told["assignment"]["took_s"] == pytest.approx(3_600, abs=120)
    assert told["assignment"]["took_s"] <= told["resolution"]["took_s"] <= told["age_s"]
    assert told["held_s"] == pytest.approx(told["resolution"]["took_s"] - told["assignment"]["took_s"])
    assert (told["assignment"]["target_s"], told["assignment"]["missed"], told["overdue"]) == (14_400, False, False)


def test_only_those_who_see_a_ticket_see_its_times(admin: FlaskClient, ann: Any, engine: Engine) -> None:
    ticket = create(admin, engine)
    assert ann.get(f"/api/tickets/{ticket}/service-levels").status_code == 404
    assert admin.get("/api/tickets/4711/service-levels").status_code == 404


@pytest.fixture
def aged(admin: FlaskClient, ann: Any, engine: Engine) -> dict[str, int]:
    """Tickets of every kind, some overdue: high after 0.5 and 8 hours, medium after 4 and 48, low after 24 and 168."""
    late = {
        "high, waiting": create(admin, engine, priority="high", hours_ago=1),
        "medium, waiting": create(admin, engine, hours_ago=5),
        "low, waiting long": create(admin, engine, priority="low", hours_ago=25),
        "medium, held": create(admin, engine, hours_ago=49),
        "medium, came back": create(admin, engine, hours_ago=49),
        "medium, reopened": create(admin, engine, hours_ago=49),
    }
    fine = {
        "high, fresh": create(admin, engine, priority="high"),
        "medium, fresh": create(admin, engine, hours_ago=3),
        "low, fresh": create(admin, engine, priority="low", hours_ago=23),
        "medium, held, fine": create(admin, engine, hours_ago=47),
        "medium, came back, fine": create(admin, engine, hours_ago=47),
        "medium, sold": create(admin, engine, hours_ago=49),
        "medium, resolved": create(admin, engine, hours_ago=49),
    }
    for name, ticket in (late | fine).items():
        if any(word in name for word in ("held", "back", "sold", "re")) and "fresh" not in name:
            admin.post(f"/api/tickets/{ticket}/assign", json={"agent_id": ann.user_id})
        if "back" in name:
            admin.post(f"/api/tickets/{ticket}/return")
        if "sold" in name:
            ann.post(f"/api/tickets/{ticket}/sell", json={"customer": KIM})
        if "resolved" in name or "reopened" in name:
            ann.post(f"/api/tickets/{ticket}/resolve")
        if "reopened" in name:
            admin.post(f"/api/tickets/{ticket}/reopen")
    return {f"late: {name}": ticket for name, ticket in late.items()} | fine


def test_the_filter_finds_what_is_overdue_and_nothing_else(admin: FlaskClient, ann: Any, aged: dict[str, int]) -> None:
    late = [ticket for name, ticket in aged.items() if name.startswith("late")]
    fine = [ticket for name, ticket in aged.items() if not name.startswith("late")]
    assert listed(admin, "overdue=true") == late
    assert listed(admin, "overdue=false") == fine
    assert listed(admin, "") == [*late, *fine]
    assert listed(admin, "overdue=true&priority=high") == [aged["late: high, waiting"]]
    assert listed(ann, "overdue=true") == [aged["late: medium, held"]]
    assert admin.get("/api/tickets?overdue=perhaps").json["errors"][0]["field"] == "overdue"


def test_the_filter_and_the_times_agree(admin: FlaskClient, aged: dict[str, int]) -> None:
    assert [ticket for ticket in aged.values() if level(admin, ticket)["overdue"]] == listed(admin, "overdue=true")


def test_the_filter_and_the_moments_they_are_due_agree(
    admin: FlaskClient, aged: dict[str, int], container: Any
) -> None:
    found = [container.explanations.explain(ticket).ticket for ticket in aged.values()]
    due = [container.service_levels.due_at(ticket) for ticket in found]
    past = [ticket.id for ticket, at in zip(found, due, strict=True) if at is not None and at <= datetime.now(UTC)]
    assert past == listed(admin, "overdue=true")


def test_overdue_tickets_are_paged(admin: FlaskClient, aged: dict[str, int]) -> None:
    seen: list[int] = []
    path = "/api/tickets?overdue=true&limit=4"
    while path:
        answer = admin.get(path)
        assert answer.json["total"] == 6
        seen += [ticket["id"] for ticket in answer.json["items"]]
        path = answer.headers.get("Link", "").partition(">")[0].removeprefix("<")
    assert seen == listed(admin, "overdue=true")


def test_settings_say_the_targets(settings: Settings, admin: Any, engine: Engine) -> None:
    ticket = create(admin, engine, priority="high", hours_ago=0.1)
    root = Principal(user_id=admin.user_id, username="root", role=Role.ADMIN, session_id=uuid4())
    assert settings.targets == DEFAULT_TARGETS
    assert listed(admin, "overdue=true") == []
    strict = build_container(settings.model_copy(update={"assign_minutes": "high=5,medium=6,low=7"}))
    try:
        overdue = strict.tickets.page(TicketFilter(overdue=True), PageRequest(), viewer=root)
        measured = strict.service_levels.of(ticket, viewer=root)
    finally:
        strict.close()
    assert [found.id for found in overdue.items] == [ticket]
    assert (measured.overdue, measured.assignment.target_s, measured.resolution.target_s) == (True, 300, 28_800)
