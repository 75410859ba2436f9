"""`fairdeal doctor` on real servers, well and ill."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result
from redis import Redis
from rq import Queue, Worker
from rq.serializers import JSONSerializer

from service.bootstrap import Container
from service.cli import cli
from service.cli.setup import Setup
from service.config import Settings
from service.job_queue import Lane, make_job_client, queue_name

Run = Callable[..., Result]


@pytest.fixture
def environ(settings: Settings) -> dict[str, str]:
    return {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "JWT_SECRET_KEY": "kX93hf-Qm72lpWz_04bTsYvR8uNcDjEa",
        "QUEUE_PREFIX": settings.queue_prefix,
        "VAR_DIR": str(settings.var_dir),
        "WEB_WORKERS": "1",
        "WEB_THREADS": "4",
    }


@pytest.fixture
def run(environ: dict[str, str]) -> Run:
    def invoke(*args: str, **changes: str) -> Result:
        return CliRunner().invoke(cli, ["doctor", *args], obj=Setup(environ | changes))

    return invoke


@pytest.fixture
def at_work(container: Container, settings: Settings) -> Iterator[None]:
    """Workers and a clock that are registered."""
    client = make_job_client(settings.redis_url, timeout_ms=20_000)
    for lane in Lane:
        queue = Queue(queue_name(settings.queue_prefix, lane), connection=client, serializer=JSONSerializer)
        Worker([queue], connection=client, name=f"w-{lane}", serializer=JSONSerializer).register_birth()
    container.schedule.tick()
    yield
    container.schedule.close()
    client.close()


def found(result: Result) -> dict[str, list[dict[str, Any]]]:
    by: dict[str, list[dict[str, Any]]] = {}
    for finding in json.loads(result.stdout)["findings"]:
        by.setdefault(finding["about"], []).append(finding)
    return by


def test_servers_that_are_made_for_tests_are_named_as_unfit(run: Run, at_work: None) -> None:
    """They run without fsync: the one thing that is wrong with them."""
    result = run()
    assert result.exit_code == 1
    errors = [line for line in result.stdout.splitlines() if line.startswith("ERROR")]
    assert {line.split()[2] for line in errors} == {"fsync", "full_page_writes", "synchronous_commit"}
    assert "mend: ALTER SYSTEM SET fsync = on" in result.stdout


def test_everything_is_looked_at(run: Run, at_work: None) -> None:
    by = found(run("--json"))
    about = {"settings", "versions", "connections", "schema", "archive", "workers", "clock"}
    assert set(by) == about | {"disk", "clocks", "postgresql", "redis"}
    for one in about:  # the others are this machine's business
        assert {finding["level"] for finding in by[one]} == {"ok"}, by[one]
    assert len(by["clocks"]) == 2
    assert "PostgreSQL 18" in by["postgresql"][0]["says"]
    assert "Valkey 9" in by["redis"][0]["says"]


def test_missing_workers_and_clock_are_found(run: Run, container: Container) -> None:
    by = found(run("--json"))
    assert [one["level"] for one in by["workers"]] == ["error", "error"]
    assert by["clock"][0]["level"] == "error"


def test_servers_that_are_away_are_findings_too(run: Run) -> None:
    result = run("--json", REDIS_URL="redis://127.0.0.1:1/0", DATABASE_URL="postgresql://x@127.0.0.1:1/x")
    by = found(result)
    assert result.exit_code == 1
    assert by["postgresql"][0]["level"] == by["redis"][0]["level"] == by["background"][0]["level"] == "error"


def test_an_eviction_policy_that_loses_the_queue_is_found(run: Run, redis_client: Redis, at_work: None) -> None:
    redis_client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        says = [one["says"] for one in found(run("--json"))["redis"]]
    finally:
        redis_client.config_set("maxmemory-policy", "noeviction")
    assert any("allkeys-lru" in one for one in says)


def test_warnings_fail_where_that_is_asked_for(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from service.usecases.doctor import Doctor
    from service.usecases.doctor_checks import Finding, Level

    monkeypatch.setattr(Doctor, "examine", lambda _: [Finding("disk", Level.WARNING, "Nearly full", "Make room")])
    assert run().exit_code == 0
    assert "0 to mend, 1 to think about" in run().stdout
    assert run("--strict").exit_code == 1
    monkeypatch.setattr(Doctor, "examine", lambda _: [])
    assert run("--strict").stdout.strip() == "all is well"
