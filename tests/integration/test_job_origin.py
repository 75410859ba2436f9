"""From a request over a background job to the worker's log and the metrics: one id, all the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer

from scripts.waiting import wait_until
from service.api.app import create_app
from service.bootstrap import Container
from service.config import Settings
from service.domain.model import Role
from service.job_queue import make_job_client, queue_name
from service.usecases.ports.people import UserDraft

ROOT = Path(__file__).parents[2]
PASSWORD = "Correct-horse-7"
PATIENCE_S = 60


@pytest.fixture
def admin(container: Container) -> FlaskClient:
    container.users.create(UserDraft(username="root", password=PASSWORD, role=Role.ADMIN))
    client = create_app(container).test_client()
    token = client.post("/api/token", json={"username": "root", "password": PASSWORD}).json["access"]
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return client


@pytest.fixture
def jobs_client(settings: Settings) -> Iterator[Redis]:
    client = make_job_client(settings.redis_url, timeout_ms=20_000)
    yield client
    client.close()


@pytest.fixture
def queued(settings: Settings, jobs_client: Redis) -> Queue:
    return Queue(queue_name(settings.queue_prefix), connection=jobs_client, serializer=JSONSerializer)


def metas(queue: Queue) -> list[dict[str, Any]]:
    found = Job.fetch_many(queue.job_ids, connection=queue.connection, serializer=JSONSerializer)
    return [job.meta for job in found if job is not None]


def shown(client: FlaskClient) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(client.get("/metrics").get_data(as_text=True))
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


def test_a_job_knows_which_request_called_for_it(admin: FlaskClient, queued: Queue) -> None:
    admin.post("/api/ops/reconciliations", json={"tier": "full"}, headers={"X-Request-ID": "audit-7"})
    assert metas(queued) == [{"request_id": "audit-7"}]


def test_dispatch_knows_which_request_rang(admin: FlaskClient, make_agent: Any, queued: Queue) -> None:
    make_agent(auto_assign=True)
    admin.post("/api/tickets", json={"subject": "x"}, headers={"X-Request-ID": "create-8"})
    assert wait_until(lambda: {"request_id": "create-8"} in metas(queued), PATIENCE_S)


def test_jobs_that_nobody_asked_for_come_from_nobody(container: Container, queued: Queue) -> None:
    container.schedule.tick()
    container.schedule.close()
    assert metas(queued)
    assert not any(metas(queued))


@pytest.mark.slow
def test_the_workers_log_and_the_metrics_tell_of_the_job(
    admin: FlaskClient, settings: Settings, tmp_path: Path, queued: Queue
) -> None:
    before = shown(admin)
    assert before["fairdeal_workers", "reconcile"] == 0
    admin.post("/api/ops/reconciliations", json={"tier": "full"}, headers={"X-Request-ID": "audit-9"})
    assert shown(admin)["fairdeal_jobs", "reconcile", "waiting"] == 1
    assert wait_until(lambda: shown(admin)["fairdeal_job_oldest_waiting_seconds", "reconcile"] > 0, PATIENCE_S)
    log = tmp_path / "worker.log"
    environ = os.environ | {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "JWT_SECRET_KEY": settings.jwt_secret_key.get_secret_value(),
        "QUEUE_PREFIX": settings.queue_prefix,
        "VAR_DIR": str(settings.var_dir),
    }
    with log.open("wb") as output:
        worker = subprocess.Popen(
            [sys.executable, "-m", "workers", "worker"], cwd=ROOT, env=environ, stdout=output, stderr=output
        )
    try:
        ended = ("fairdeal_jobs_ended_total", "reconcile", "done")
        assert wait_until(lambda: shown(admin).get(ended) == 1, PATIENCE_S), log.read_text()
        state = shown(admin)
    finally:
        worker.terminate()
        worker.wait(timeout=PATIENCE_S)
    assert state["fairdeal_workers", "reconcile"] == 1
    assert state["fairdeal_worker_silence_seconds", "reconcile"] < PATIENCE_S
    assert state["fairdeal_job_seconds_count", "reconcile"] == 1
    assert state["fairdeal_job_seconds_sum", "reconcile"] > 0
    assert state["fairdeal_job_wait_seconds_sum", "reconcile"] > 0
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    of_request = {line["event"]: line for line in lines if line.get("request_id") == "audit-9"}
    assert of_request["job"]["job"] == "reconcile"
    assert of_request["job"]["ok"] is True
