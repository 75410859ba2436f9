"""Operations over HTTP, on real stores."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask.testing import FlaskClient

from service.api.app import create_app
from service.bootstrap import build_container


def test_the_queue_is_shown(admin: FlaskClient, operator: FlaskClient) -> None:
    for priority in ("high", "medium", "medium"):
        admin.post("/api/tickets", json={"subject": "x", "priority": priority})
    shown = operator.get("/api/ops/queue").json
    assert shown["trusted"] is True
    assert shown["queued"] == shown["open"] == {"high": 1, "medium": 2, "low": 0}
    assert shown["oldest_open_s"] >= 0


def test_the_invariants_hold(admin: FlaskClient, ann: FlaskClient, operator: FlaskClient) -> None:
    admin.post("/api/tickets", json={"subject": "x"})
    ann.post("/api/tickets/fetch")
    shown = operator.get("/api/ops/invariants?at_rest=true").json
    assert {item["code"] for item in shown["invariants"] if item["ok"] is False} == set()
    assert "I2" in {item["code"] for item in shown["invariants"]}


def test_a_reconciliation_is_asked_for_and_found_again(operator: Any) -> None:
    asked = operator.post("/api/ops/reconciliations", json={"dry_run": True})
    assert (asked.status_code, asked.json["status"], asked.json["dry_run"]) == (202, "queued", True)
    assert asked.json["requested_by"] == operator.user_id
    assert operator.get(asked.headers["Location"]).json == asked.json
    assert operator.get("/api/ops/reconciliations?status=queued").json["items"] == [asked.json]
    assert operator.get("/api/ops/reconciliations/99").status_code == 404


def test_all_is_well(app: Any) -> None:
    answer = app.test_client().get("/readyz")
    assert (answer.status_code, answer.json["status"]) == (200, "ok")


def test_without_redis_the_service_is_degraded_and_serves(container: Any, admin: Any, ann: Any) -> None:
    ticket = admin.post("/api/tickets", json={"subject": "x"}).json["id"]
    with_nothing = build_container(container.settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"}))
    try:
        client = create_app(with_nothing).test_client()
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json["status"]) == (200, "degraded")
        assert ready.json["parts"]["redis"]["detail"]
        headers = {"Authorization": ann.environ_base["HTTP_AUTHORIZATION"]}
        fetched = client.post("/api/tickets/fetch", headers=headers)
        assert [found["id"] for found in fetched.json["tickets"]] == [ticket]
        assert fetched.headers["X-Fairdeal-Served-By"] == "database"
        headers = {"Authorization": admin.environ_base["HTTP_AUTHORIZATION"]}
        assert client.post("/api/tickets", json={"subject": "y"}, headers=headers).status_code == 201
        refused = client.post("/api/ops/reconciliations", headers=headers)
        assert (refused.status_code, refused.json["code"]) == (503, "queue_unavailable")
        assert "Retry-After" in refused.headers
    finally:
        with_nothing.close()


def test_without_postgresql_the_service_is_down_and_says_so(container: Any, admin: Any) -> None:
    nowhere = "postgresql+psycopg2://nobody@127.0.0.1:1/none"
    with_nothing = build_container(container.settings.model_copy(update={"database_url": nowhere}))
    try:
        client = create_app(replace(with_nothing)).test_client()
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json["status"]) == (503, "down")
        assert client.get("/healthz").status_code == 200
        headers = {"Authorization": admin.environ_base["HTTP_AUTHORIZATION"]}
        answer = client.get("/api/tickets", headers=headers)
        assert (answer.status_code, answer.json["code"]) == (503, "store_unavailable")
        assert int(answer.headers["Retry-After"]) >= 1
    finally:
        with_nothing.close()
