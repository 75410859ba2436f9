from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from service.domain.model import Priority
from service.usecases.invariants import InvariantResult
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.reconcile import RunStatus, Tier
from service.usecases.queue_stats import QueueState
from tests.unit.api.fakes import FakeServices, health_report


def test_the_queue_is_shown_in_figures(operator: FlaskClient, services: FakeServices) -> None:
    services.queue_stats.results["read"] = QueueState(
        trusted=True, queued={Priority.HIGH: 3}, open_claims=1, open={Priority.LOW: 2}, oldest_open_s=4.5,
        waited_s={Priority.LOW: 4.5},
    )  # fmt: skip
    assert operator.get("/api/ops/queue").json == {
        "trusted": True,
        "queued": {"high": 3, "medium": 0, "low": 0},
        "open": {"high": 0, "medium": 0, "low": 2},
        "open_claims": 1,
        "oldest_open_s": 4.5,
        "waited_s": {"high": None, "medium": None, "low": 4.5},
    }


def test_what_only_redis_knows_is_null_while_it_is_away(operator: FlaskClient, services: FakeServices) -> None:
    services.queue_stats.results["read"] = QueueState(
        trusted=None, queued=None, open_claims=None, open={}, oldest_open_s=None
    )
    shown = operator.get("/api/ops/queue").json
    assert (shown["trusted"], shown["queued"], shown["open"]["high"]) == (None, None, 0)


def test_invariants_are_judged_together(operator: FlaskClient, services: FakeServices) -> None:
    broken = InvariantResult(code="I2", title="The cap", ok=False, violations=1, examples=("agent 5",))
    fine = InvariantResult(code="I1", title="One holder", ok=True, violations=0, examples=())
    services.invariants.results["check"] = (fine, broken)
    shown = operator.get("/api/ops/invariants?at_rest=true").json
    assert shown["ok"] is False
    assert [item["code"] for item in shown["invariants"]] == ["I1", "I2"]
    assert shown["invariants"][1]["examples"] == ["agent 5"]
    assert services.invariants.last == ("check", (), {"at_rest": True})
    services.invariants.results["check"] = (fine,)
    assert operator.get("/api/ops/invariants").json["ok"] is True
    assert services.invariants.last == ("check", (), {"at_rest": False})


@pytest.mark.parametrize(
    ("body", "tier", "dry_run"), [({}, Tier.FULL, False), ({"tier": "fast", "dry_run": True}, Tier.FAST, True)]
)
def test_a_reconciliation_is_asked_for(
    operator: FlaskClient, services: FakeServices, body: dict[str, object], tier: Tier, dry_run: bool
) -> None:
    answer = operator.post("/api/ops/reconciliations", json=body)
    assert (answer.status_code, answer.headers["Location"]) == (202, "/api/ops/reconciliations/4")
    assert services.reconciliations.last == ("request", (), {"tier": tier, "dry_run": dry_run, "requested_by": 3})


def test_reconciliations_are_listed_newest_first(operator: FlaskClient, services: FakeServices) -> None:
    operator.get("/api/ops/reconciliations?tier=fast&status=done,failed")
    assert services.reconciliations.last == (
        "page",
        (PageRequest(sort="-id"),),
        {"tiers": (Tier.FAST,), "statuses": (RunStatus.DONE, RunStatus.FAILED)},
    )


def test_the_process_is_alive_whatever_is_away(client: FlaskClient, services: FakeServices) -> None:
    services.health.results["check"] = RuntimeError("never asked")
    assert client.get("/healthz").json == {"status": "ok"}


def test_ready_without_redis_is_degraded_and_without_postgresql_is_down(
    client: FlaskClient, services: FakeServices
) -> None:
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json["status"]) == (200, "ok")
    services.health.results["check"] = health_report(redis="Redis did not answer")
    degraded = client.get("/readyz")
    assert (degraded.status_code, degraded.json["status"]) == (200, "degraded")
    assert degraded.json["parts"]["redis"] == {"ok": False, "detail": "Redis did not answer", "ms": 0.5}
    services.health.results["check"] = health_report(postgresql="PostgreSQL did not answer")
    down = client.get("/readyz")
    assert (down.status_code, down.json["status"]) == (503, "down")
    assert down.json["parts"]["redis"]["ok"] is True
