"""The alert rules and the dashboard of docs/ops, held against a running service.

Each alert is made to come about here, by what its section of the runbook says it means; none does while all is well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from prometheus_client import generate_latest
from redis import Redis
from rq import Queue, Worker
from rq.job import Job
from rq.registry import FailedJobRegistry
from rq.serializers import JSONSerializer
from sqlalchemy import Engine, text

from service.api.app import create_app
from service.bootstrap import Container, build_container
from service.config import Settings
from service.domain.errors import QueueUnavailable, StoreUnavailable
from service.domain.model import Priority, Role
from service.job_queue import Lane, RqJobQueue, make_job_client, queue_name
from service.job_queue.counts import RedisJobCounts
from service.ticket_queue.keys import Keys, claim_member
from service.usecases.ports.people import AgentDraft, UserDraft
from service.usecases.ports.reconcile import Tier
from service.usecases.reconciliation.schedule import LEASE
from tests import promql

OPS = Path(__file__).parents[2] / "docs" / "ops"
RULES = {
    rule["alert"]: rule
    for group in yaml.safe_load((OPS / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
}
DASHBOARD = json.loads((OPS / "grafana-dashboard.json").read_text())
SHOWN = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]
PASSWORD = "Correct-horse-7"
NOWHERE = {"redis_url": "redis://127.0.0.1:1/0", "database_url": "postgresql+psycopg2://x@127.0.0.1:1/x"}


@dataclass
class Stage:
    """A service on which all is well, and what is needed to spoil it."""

    container: Container
    settings: Settings
    engine: Engine
    redis: Redis
    jobs: Redis
    keys: Keys
    app: Any
    ann: Any

    def scrape(self, container: Container | None = None) -> promql.Scrape:
        app = self.app if container is None else create_app(container)
        return promql.read(app.test_client().get("/metrics").get_data(as_text=True))

    def fetch(self) -> Any:
        return self.ann.post("/api/tickets/fetch")

    def sql(self, query: str, **values: object) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(query), values)


@pytest.fixture
def stage(
    container: Container, settings: Settings, engine: Engine, redis_client: Redis, keys: Keys, make_tickets: Any
) -> Any:
    make_tickets(5)
    container.agents.create(AgentDraft(username="ann", password=PASSWORD))
    container.users.create(UserDraft(username="root", password=PASSWORD, role=Role.ADMIN))
    app = create_app(container)
    ann = app.test_client()
    token = ann.post("/api/token", json={"username": "ann", "password": PASSWORD}).get_json()["access"]
    ann.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    jobs = make_job_client(settings.redis_url, timeout_ms=20_000)
    for lane in Lane:
        queue = Queue(queue_name(settings.queue_prefix, lane), connection=jobs, serializer=JSONSerializer)
        Worker([queue], connection=jobs, name=f"w-{lane}", serializer=JSONSerializer).register_birth()
    container.reconciler.run(tier=Tier.FULL, trigger="test")
    container.invariants.check(at_rest=True)
    container.schedule.tick()
    made = Stage(container, settings, engine, redis_client, jobs, keys, app, ann)
    yield made
    container.schedule.close()
    jobs.close()


def firing(before: promql.Scrape, after: promql.Scrape) -> set[str]:
    evaluator = promql.Evaluator(before, after)
    return {name for name, rule in RULES.items() if evaluator.fires(rule["expr"])}


def test_no_alert_fires_while_all_is_well(stage: Stage) -> None:
    before = stage.scrape()
    assert stage.fetch().get_json()["assigned_now"] == 5
    assert firing(before, stage.scrape()) <= {"FairdealFetchSlow"}  # that one judges the machine, too


def _nothing_answers(stage: Stage) -> promql.Scrape:
    return {}


def _postgresql_is_away(stage: Stage) -> promql.Scrape:
    return _without(stage, "database_url")


def _redis_is_away(stage: Stage) -> promql.Scrape:
    return _without(stage, "redis_url")


def _without(stage: Stage, setting: str) -> promql.Scrape:
    built = build_container(stage.settings.model_copy(update={setting: NOWHERE[setting]}))
    try:
        return stage.scrape(built)
    finally:
        built.close()


def _requests_fail(stage: Stage) -> promql.Scrape:
    def fail(*_: object, **__: object) -> None:
        raise StoreUnavailable("gone")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(stage.container.assignments), "held", fail)
        assert stage.ann.get("/api/tickets/held").status_code == 503
    return stage.scrape()


def _fetches_are_slow(stage: Stage) -> promql.Scrape:
    with stage.engine.connect() as holder, holder.begin():
        holder.execute(text("SELECT 1 FROM agents FOR UPDATE"))
        holder.execute(text("SET LOCAL statement_timeout = 0"))
        slow = stage.container.settings.model_copy(update={"statement_timeout_ms": 700})
        built = build_container(slow)
        try:
            client = create_app(built).test_client()
            client.environ_base.update(stage.ann.environ_base)
            assert client.post("/api/tickets/fetch").status_code == 503
            return promql.read(client.get("/metrics").get_data(as_text=True))
        finally:
            built.close()


def _connections_are_all_lent(stage: Stage) -> promql.Scrape:
    built = build_container(stage.settings.model_copy(update={"web_threads": 1}))
    pool = built.assignments._store._engine  # type: ignore[attr-defined]
    lent = [pool.connect() for _ in range(3)]
    try:
        built.meters.look()
        return promql.read(generate_latest(built.meters.registry).decode())
    finally:
        for connection in lent:
            connection.close()
        built.close()


def _queue_is_flushed(stage: Stage) -> promql.Scrape:
    stage.redis.delete(stage.keys.generation)
    return stage.scrape()


def _redis_fails_requests(stage: Stage) -> promql.Scrape:
    built = build_container(stage.settings.model_copy(update={"redis_url": NOWHERE["redis_url"]}))
    try:
        for _ in range(4):
            with pytest.raises(QueueUnavailable):
                built.assignments._queue.is_trusted()
        return stage.scrape(built)
    finally:
        built.close()


def _fetches_come_from_the_database(stage: Stage) -> promql.Scrape:
    stage.redis.delete(stage.keys.generation)
    assert stage.fetch().headers["X-Fairdeal-Served-By"] == "database"
    return stage.scrape()


def _tickets_wait_for_days(stage: Stage) -> promql.Scrape:
    stage.sql("UPDATE tickets SET created_at = created_at - interval '5 days'")
    return stage.scrape()


def _claims_are_left_behind(stage: Stage) -> promql.Scrape:
    stage.redis.zadd(stage.keys.claims, {claim_member(uuid4(), 7, f"m{n}"): n for n in range(300)})
    return stage.scrape()


def _tickets_are_inverted(stage: Stage) -> promql.Scrape:
    stage.redis.incr(stage.keys.inversions)
    return stage.scrape()


def _a_counter_is_wrong(stage: Stage) -> promql.Scrape:
    stage.sql("SET LOCAL session_replication_role = replica; UPDATE agents SET held = 3")
    stage.container.invariants.check(at_rest=True)
    return stage.scrape()


def _the_queue_drifts(stage: Stage) -> promql.Scrape:
    stage.redis.rpush(stage.keys.queue(Priority.MEDIUM), "not an id")
    stage.container.reconciler.run(tier=Tier.FULL, trigger="test")
    return stage.scrape()


def _nobody_reconciles(stage: Stage) -> promql.Scrape:
    stage.sql("UPDATE reconciliations SET finished_at = finished_at - interval '10 minutes'")
    return stage.scrape()


def _nobody_keeps_the_clock(stage: Stage) -> promql.Scrape:
    stage.sql("DELETE FROM leases WHERE name = :name", name=LEASE)
    return stage.scrape()


def _a_worker_is_gone(stage: Stage) -> promql.Scrape:
    queue = Queue(queue_name(stage.settings.queue_prefix, Lane.MESSAGES), connection=stage.jobs)
    for worker in Worker.all(queue=queue):
        worker.register_death()
    return stage.scrape()


def _jobs_pile_up(stage: Stage) -> promql.Scrape:
    queue = _some_job(stage)
    key = Job.key_for(queue.job_ids[0])
    stage.jobs.hset(key, "enqueued_at", "2026-01-01T00:00:00.000000Z")
    return stage.scrape()


def _a_job_fails(stage: Stage) -> promql.Scrape:
    queue = _some_job(stage)
    stage.jobs.zadd(FailedJobRegistry(queue=queue).key, {queue.job_ids[0]: 9e9})
    return stage.scrape()


def _some_job(stage: Stage) -> Queue:
    RqJobQueue(stage.jobs, prefix=stage.settings.queue_prefix, lane=Lane.MESSAGES).enqueue("workers.jobs.send_mails")
    name = queue_name(stage.settings.queue_prefix, Lane.MESSAGES)
    return Queue(name, connection=stage.jobs, serializer=JSONSerializer)


def _a_mail_waits(stage: Stage) -> promql.Scrape:
    stage.sql(
        "INSERT INTO mails (user_id, kind, event_id, happened_at, lines, attempts_allowed, created_at)"
        " SELECT id, 'fetched', 1, now(), '[]', 5, now() - interval '1 hour' FROM users LIMIT 1"
    )
    return stage.scrape()


def _a_webhook_refuses(stage: Stage) -> promql.Scrape:
    _a_webhook(stage)
    stage.sql(
        "INSERT INTO webhook_deliveries (webhook_id, kind, created_at)"
        " SELECT id, 'events', now() - interval '2 hours' FROM webhooks"
    )
    return stage.scrape()


def _a_webhook_is_switched_off(stage: Stage) -> promql.Scrape:
    _a_webhook(stage)
    stage.sql("UPDATE webhooks SET is_active = false, disabled_at = now(), disabled_why = 'kept failing'")
    return stage.scrape()


def _nothing_is_archived(stage: Stage) -> promql.Scrape:
    stage.sql("UPDATE sweeps SET waiting = 1, oldest_at = now() - interval '3 days'")
    return stage.scrape()


def _a_webhook(stage: Stage) -> None:
    stage.sql("INSERT INTO webhooks (url, secret) VALUES ('https://hooks.example', 'not a secret')")


MISFORTUNES: dict[str, Callable[[Stage], promql.Scrape]] = {
    "FairdealNotScraped": _nothing_answers,
    "FairdealPostgresqlDown": _postgresql_is_away,
    "FairdealRedisDown": _redis_is_away,
    "FairdealErrors": _requests_fail,
    "FairdealFetchSlow": _fetches_are_slow,
    "FairdealPoolExhausted": _connections_are_all_lent,
    "FairdealQueueUntrusted": _queue_is_flushed,
    "FairdealBreakerOpen": _redis_fails_requests,
    "FairdealServedWithoutQueue": _fetches_come_from_the_database,
    "FairdealTicketsOverdue": _tickets_wait_for_days,
    "FairdealClaimsStuck": _claims_are_left_behind,
    "FairdealInversions": _tickets_are_inverted,
    "FairdealInvariantBroken": _a_counter_is_wrong,
    "FairdealDriftRepaired": _the_queue_drifts,
    "FairdealReconcilerStopped": _nobody_reconciles,
    "FairdealClockStopped": _nobody_keeps_the_clock,
    "FairdealWorkersMissing": _a_worker_is_gone,
    "FairdealJobsWaiting": _jobs_pile_up,
    "FairdealJobsFailed": _a_job_fails,
    "FairdealMailsStuck": _a_mail_waits,
    "FairdealWebhooksStuck": _a_webhook_refuses,
    "FairdealWebhookDisabled": _a_webhook_is_switched_off,
    "FairdealArchiveBehind": _nothing_is_archived,
}


def test_every_alert_is_tried_out() -> None:
    assert set(MISFORTUNES) == set(RULES)


@pytest.mark.parametrize("alert", MISFORTUNES)
def test_an_alert_fires_when_it_should(stage: Stage, alert: str) -> None:
    before = stage.scrape()
    after = MISFORTUNES[alert](stage)
    if alert == "FairdealClaimsStuck":
        before = after  # for as long as the window is
    assert promql.Evaluator(before, after).fires(RULES[alert]["expr"])


def a_panels(expression: str) -> str:
    """Put in what Grafana would."""
    return expression.replace("$__rate_interval", "5m")


@pytest.mark.parametrize("expression", [rule["expr"] for rule in RULES.values()] + [a_panels(one) for one in SHOWN])
def test_expressions_are_promql_on_metrics_of_ours(expression: str) -> None:
    assert all(name.startswith("fairdeal_") for name in promql.names(expression))


def test_every_metric_named_is_in_a_scrape_with_the_labels_named(stage: Stage) -> None:
    stage.fetch()
    counts = RedisJobCounts(stage.jobs, prefix=stage.settings.queue_prefix)
    counts.add("reconcile", ok=True, seconds=1.0, waited_s=0.5)
    scraped = stage.scrape()
    expressions = [rule["expr"] for rule in RULES.values()] + [a_panels(one) for one in SHOWN]
    missing = {name for one in expressions for name in promql.names(one) if not scraped.get(name)}
    assert missing == set()
    for one in expressions:
        for selector in promql.selectors(one):
            labels = {name for each in scraped[selector.name] for name, _ in each}
            assert {matcher.name for matcher in selector.matchers.matchers} <= labels, one
        for group in re.findall(r"by \(([^)]*)\)", one):
            known = {name for each in promql.names(one) for found in scraped[each] for name, _ in found}
            assert {name.strip() for name in group.split(",")} <= known, one


@pytest.mark.parametrize("alert", RULES)
def test_every_alert_has_a_section_in_the_runbook(alert: str) -> None:
    page = (OPS / "runbook.md").read_text()
    assert RULES[alert]["annotations"]["runbook_url"] == f"docs/ops/runbook.md#{alert.lower()}"
    section = re.search(rf"^### {alert}\n(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL)
    assert section is not None
    assert all(f"**{part}**" in section[1] for part in ("Means", "Look", "Do"))
    assert RULES[alert]["labels"]["severity"] in {"critical", "warning", "info"}


def test_names_follow_the_conventions(stage: Stage) -> None:
    stage.fetch()
    exposition = stage.app.test_client().get("/metrics").get_data(as_text=True)
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", exposition, re.MULTILINE):
        assert re.fullmatch(r"fairdeal_[a-z0-9_]+", name), name
        assert (kind == "counter") == name.endswith("_total"), name
        assert not re.search(r"_(ms|milliseconds|minutes|s|count|sum)$", name), name
        assert re.search(rf"^# HELP {name} \S", exposition, re.MULTILINE), name
