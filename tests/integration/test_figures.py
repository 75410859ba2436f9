"""The metrics, on the real parts: what is waiting, how it was dealt, what drifted, what holds."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis
from sqlalchemy import Engine, text

from service.api.app import create_app
from service.bootstrap import Container, build_container
from service.config import Settings
from service.domain.model import Priority
from service.ticket_queue.keys import Keys
from service.usecases.ports.people import AgentDraft
from service.usecases.ports.reconcile import Tier
from service.usecases.ports.tickets import TicketChanges

PASSWORD = "Correct-horse-7"


@pytest.fixture
def client(container: Container) -> FlaskClient:
    return create_app(container).test_client()


def scrape(client: FlaskClient) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(client.get("/metrics").get_data(as_text=True))
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


def test_backlog_and_fetches_are_shown(container: Container, client: FlaskClient, make_tickets: Any) -> None:
    make_tickets(20)
    make_tickets(2, "high")
    container.agents.create(AgentDraft(username="ann", password=PASSWORD))
    signed_in = client.post("/api/token", json={"username": "ann", "password": PASSWORD}).json["access"]
    client.post("/api/tickets/fetch", headers={"Authorization": f"Bearer {signed_in}"})
    shown = scrape(client)
    assert shown["fairdeal_open_tickets", "medium"] == 5
    assert shown["fairdeal_queue_depth", "high"] == 2
    assert shown["fairdeal_queue_trusted",] == 1
    assert shown["fairdeal_oldest_open_seconds", "high"] > 0
    assert shown["fairdeal_inversions",] == 0
    assert shown["fairdeal_fetches_total", "queue"] == 1
    assert shown["fairdeal_tickets_assigned_total",] == 15
    assert shown["fairdeal_pop_seconds_count",] == 1
    assert shown["fairdeal_commit_seconds_count", "queue"] == 1
    assert shown["fairdeal_commit_seconds_count", "database"] == 0
    assert shown["fairdeal_up", "redis"] == shown["fairdeal_up", "postgresql"] == 1


def test_drift_and_checks_are_shown(
    container: Container, client: FlaskClient, make_tickets: Any, redis_client: Redis, keys: Keys
) -> None:
    make_tickets(5)
    redis_client.rpush(keys.queue(Priority.MEDIUM), "not an id")
    container.reconciler.run(tier=Tier.FULL, trigger="test")
    container.invariants.check(at_rest=True)
    shown = scrape(client)
    assert shown["fairdeal_drift_repaired_last_day", "poison"] == 1
    assert shown["fairdeal_reconciliations_last_day", "done"] == 1
    assert shown["fairdeal_reconciliation_age_seconds",] >= 0
    assert shown["fairdeal_invariant_holds", "I5"] == 1
    assert shown["fairdeal_invariant_violations", "I7"] == 0
    assert shown["fairdeal_invariants_check_age_seconds",] >= 0


@pytest.mark.parametrize(("setting", "part"), [("redis_url", "redis"), ("database_url", "postgresql")])
def test_a_part_that_is_away_is_shown_as_such(engine: Engine, settings: Settings, setting: str, part: str) -> None:
    nowhere = {"redis_url": "redis://127.0.0.1:1/0", "database_url": "postgresql+psycopg2://x@127.0.0.1:1/x"}
    built = build_container(settings.model_copy(update={setting: nowhere[setting]}))
    try:
        shown = scrape(create_app(built).test_client())
    finally:
        built.close()
    assert shown["fairdeal_up", part] == 0


def set_back(engine: Engine, column: str, ticket: int, *, hours: int) -> None:
    change = text(f"UPDATE tickets SET {column} = {column} - :hours * interval '1 hour' WHERE id = :id")
    with engine.begin() as connection:
        connection.execute(change, {"id": ticket, "hours": hours})


def test_a_ticket_waits_from_its_creation_whatever_is_edited_about_it(
    container: Container, client: FlaskClient, engine: Engine, make_tickets: Any
) -> None:
    old, *_ = make_tickets(3)
    make_tickets(1, "high")
    set_back(engine, "created_at", old, hours=5)
    container.tickets.update(old, TicketChanges(subject="Still on fire"), actor_id=None)
    shown = scrape(client)
    assert 5 * 3_600 <= shown["fairdeal_oldest_open_seconds", "medium"] < 6 * 3_600
    assert shown["fairdeal_oldest_open_seconds", "high"] < 1_800
    assert shown["fairdeal_oldest_open_seconds", "low"] == 0
    targets = {p: shown["fairdeal_assign_target_seconds", p] for p in ("high", "medium", "low")}
    assert targets == {"high": 1_800, "medium": 14_400, "low": 86_400}
    late = {p: shown["fairdeal_oldest_open_overdue", p] for p in ("high", "medium", "low")}
    assert late == {"high": 0, "medium": 1, "low": 0}
    container.tickets.delete(old, actor_id=None)
    assert scrape(client)["fairdeal_oldest_open_overdue", "medium"] == 0


def test_a_ticket_that_came_back_waits_from_then_on(
    container: Container, client: FlaskClient, engine: Engine, make_tickets: Any, make_agent: Any
) -> None:
    (ticket,), ann = make_tickets(1), make_agent()
    set_back(engine, "created_at", ticket, hours=50)
    container.assignments.fetch(ann)
    container.lifecycle.release(ann, ticket, reason="not mine")
    assert scrape(client)["fairdeal_oldest_open_seconds", "medium"] < 3_600
    set_back(engine, "requeued_at", ticket, hours=5)
    make_tickets(1)
    assert 5 * 3_600 <= scrape(client)["fairdeal_oldest_open_seconds", "medium"] < 6 * 3_600
    container.assignments.fetch(ann, limit=1)
    assert scrape(client)["fairdeal_oldest_open_seconds", "medium"] < 3_600


def test_counters_of_drift_never_go_back(
    container: Container, client: FlaskClient, make_tickets: Any, redis_client: Redis, keys: Keys, engine: Engine
) -> None:
    make_tickets(5)
    repaired = "fairdeal_drift_repaired_total", "poison"
    assert scrape(client)[repaired] == 0

    def drift(*, dry_run: bool) -> float:
        redis_client.rpush(keys.queue(Priority.MEDIUM), "not an id")
        container.reconciler.run(tier=Tier.FULL, trigger="test", dry_run=dry_run)
        return scrape(client)[repaired]

    assert [drift(dry_run=dry) for dry in (False, True, False)] == [1, 1, 3]  # the dry run has left one behind
    assert scrape(client)["fairdeal_drift_found_total", "poison"] == 3
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM reconciliations"))
    assert scrape(client)[repaired] == 3


def test_a_run_is_counted_once_whatever_is_written_about_it(engine: Engine) -> None:
    began = "INSERT INTO reconciliations (tier, trigger, status) VALUES ('full', 'test', 'running')"
    done = "UPDATE reconciliations SET status = 'done', found = '{\"missing\": 2}', repaired = '{\"missing\": 1}'"
    more = "UPDATE reconciliations SET found = '{\"missing\": 5}', finished_at = now()"
    with engine.begin() as connection:
        for statement in (began, done, done, more, "UPDATE reconciliations SET rows_compared = 9"):
            connection.execute(text(statement))
        totals = connection.execute(text("SELECT what, total FROM drift_totals ORDER BY what")).all()
    assert [tuple(row) for row in totals] == [("found", 5), ("repaired", 1)]
