"""Traces, seen by a real collector: a request, its statements and commands, and the job it called for."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.ports import free_port
from scripts.waiting import wait_until
from service.api.app import create_app
from service.bootstrap import build_container
from service.config import Settings
from service.domain.errors import StoreUnavailable
from service.domain.model import Role
from service.usecases.ports.people import AgentDraft, UserDraft
from tests.collector import Collector, SeenSpan, collecting

ROOT = Path(__file__).parents[2]
PASSWORD = "Correct-horse-7"
PATIENCE_S = 60
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as made:
        yield made


@pytest.fixture
def told(container: Any, settings: Settings, collector: Collector) -> Iterator[Any]:
    """The service on the emptied servers, telling the collector."""
    built = build_container(settings.model_copy(update={"otel_exporter_otlp_endpoint": collector.url}), "web")
    yield built
    built.close()


def signed_in(container: Any, username: str) -> Any:
    client = create_app(container).test_client()
    tokens = client.post("/api/token", json={"username": username, "password": PASSWORD}).get_json()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {tokens['access']}"
    return client


def only(spans: list[SeenSpan]) -> SeenSpan:
    assert len(spans) == 1
    return spans[0]


def environ(settings: Settings, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "JWT_SECRET_KEY": settings.jwt_secret_key.get_secret_value(),
        "QUEUE_PREFIX": settings.queue_prefix,
        "VAR_DIR": str(settings.var_dir),
        **more,
    }


def test_a_request_is_told_of_with_what_it_asked_of_both_servers(
    told: Any, collector: Collector, make_tickets: Any
) -> None:
    make_tickets(20)
    told.agents.create(AgentDraft(username="ann", password=PASSWORD))
    ann = signed_in(told, "ann")
    parent = f"00-{TRACE}-00f067aa0ba902b7-01"
    ann.post("/api/tickets/fetch", headers={"traceparent": parent, "X-Request-ID": "fetch-1"})
    told.tracer.close()
    fetch = only(collector.named("POST /api/tickets/fetch"))
    assert collector.paths == {"/v1/traces"}
    assert fetch.service == "fairdeal-web"
    assert (fetch.trace.hex(), fetch.parent.hex()) == (TRACE, "00f067aa0ba902b7")
    assert fetch.attributes["http.response.status_code"] == 200
    assert fetch.attributes["fairdeal.request_id"] == "fetch-1"
    assert fetch.attributes["fairdeal.served_by"] == "queue"
    children = collector.below(fetch)
    pop = only([span for span in children if span.name == "claim.lua"])
    assert pop.attributes["db.system.name"] == "redis"
    decided = [span for span in children if "FOR NO KEY UPDATE" in str(span.attributes.get("db.query.text"))]
    assert only(decided).attributes["db.system.name"] == "postgresql"
    assert not any(PASSWORD in str(span.attributes) for span in collector.spans)


def test_what_fails_is_told_of_as_failed(told: Any, collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    told.users.create(UserDraft(username="root", password=PASSWORD, role=Role.ADMIN))
    root = signed_in(told, "root")

    def fail(*_: object, **__: object) -> None:
        raise StoreUnavailable("gone")

    monkeypatch.setattr(type(told.customers), "page", fail)
    assert root.get("/api/customers").status_code == 503
    assert root.get("/api/customers/9").status_code == 404
    told.tracer.close()
    assert only(collector.named("GET /api/customers")).failed
    assert not only(collector.named("GET /api/customers/<id:customer_id>")).failed


def test_probes_and_work_of_no_request_are_not_told_of(told: Any, collector: Collector) -> None:
    client = create_app(told).test_client()
    for path in ("/healthz", "/readyz", "/metrics"):
        client.get(path)
    told.invariants.check(at_rest=True)
    told.tracer.close()
    assert collector.spans == []


@pytest.mark.slow
def test_a_job_joins_the_trace_of_the_request_that_called_for_it(
    told: Any, collector: Collector, settings: Settings, tmp_path: Path
) -> None:
    told.users.create(UserDraft(username="root", password=PASSWORD, role=Role.ADMIN))
    root = signed_in(told, "root")
    root.post("/api/ops/reconciliations", json={"tier": "full"}, headers={"X-Request-ID": "audit-1"})
    told.tracer.close()
    asked = only(collector.named("POST /api/ops/reconciliations"))
    log = tmp_path / "worker.log"
    with log.open("wb") as output:
        worker = subprocess.Popen(
            [sys.executable, "-m", "workers", "worker"], cwd=ROOT, stdout=output, stderr=output,
            env=environ(settings, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url),
        )  # fmt: skip
    try:
        assert wait_until(lambda: bool(collector.named("job workers.jobs.reconcile")), PATIENCE_S), log.read_text()
    finally:
        worker.terminate()
        worker.wait(timeout=PATIENCE_S)
    job = only(collector.named("job workers.jobs.reconcile"))
    assert (job.trace, job.parent) == (asked.trace, asked.id)
    assert job.service == "fairdeal-worker"
    assert job.attributes["fairdeal.request_id"] == "audit-1"
    systems = {span.attributes.get("db.system.name") for span in collector.below(job)}
    assert systems == {"postgresql", "redis"}


def test_a_collector_that_is_away_holds_nobody_up_for_long(container: Any, settings: Settings) -> None:
    away = f"http://127.0.0.1:{free_port()}"
    built = build_container(settings.model_copy(update={"otel_exporter_otlp_endpoint": away}), "web")
    try:
        built.users.create(UserDraft(username="root", password=PASSWORD, role=Role.ADMIN))
        assert signed_in(built, "root").get("/api/me").status_code == 200
    finally:
        built.close()


LOADED = """
import sys
from service import config
from service.bootstrap import build_container
from service.api.app import create_app
create_app(build_container(config.load()))
import workers.jobs
OURS = ("service.otel", "opentelemetry.exporter", "opentelemetry.sdk.trace", "google.protobuf", "requests")
print(sorted(name for name in sys.modules if name.startswith(OURS)))
"""
"""Redis-py itself loads the part of the library that is about metrics, where it is installed."""


def test_without_an_endpoint_nothing_of_it_is_loaded(settings: Settings) -> None:
    said = subprocess.run(
        [sys.executable, "-c", LOADED], cwd=ROOT, env=environ(settings), capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "[]"


WITHOUT = """
import sys
sys.modules["opentelemetry"] = None
from service import config
from service.bootstrap import build_container
try:
    build_container(config.load())
except config.ConfigurationError as exc:
    print(exc)
"""


def test_where_the_library_is_missing_that_is_said(settings: Settings) -> None:
    said = subprocess.run(
        [sys.executable, "-c", WITHOUT], cwd=ROOT, capture_output=True, text=True, check=True,
        env=environ(settings, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:4318"),
    )  # fmt: skip
    assert "pip install -r requirements-otel.txt" in said.stdout
