"""The cures of docs/ops/runbook.md, tried: each alert is made to come about as in `test_alerts`, cured, and is silent.

Commands are those the runbook names. What needs processes or servers to be ended and started is cured elsewhere, as
named.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner
from rq import Queue, SimpleWorker, Worker
from rq.serializers import JSONSerializer
from sqlalchemy import text

from scripts.waiting import wait_until
from service.cli import cli
from service.cli.setup import Setup
from service.domain.model import Priority
from service.job_queue import Lane, queue_name
from tests import promql
from tests.integration.mails.mailing import give_address, let_history_settle
from tests.integration.telling import SECRET, Telling
from tests.integration.test_alerts import MISFORTUNES, RULES, Stage
from tests.integration.test_alerts import stage as stage  # the fixture
from tests.receiver import receiver

ROOT = Path(__file__).parents[2]


def fairdeal(stage: Stage, *command: str, status: int = 0) -> str:
    """Run a command as the runbook says it."""
    environ = {
        "DATABASE_URL": stage.settings.database_url,
        "REDIS_URL": stage.settings.redis_url,
        "QUEUE_PREFIX": stage.settings.queue_prefix,
        "JWT_SECRET_KEY": "kX93hf-Qm72lpWz_04bTsYvR8uNcDjEa",
    }
    done = CliRunner().invoke(cli, command, obj=Setup(environ, container=stage.container))
    assert done.exit_code == status, done.output
    return done.output


def _rebuild(stage: Stage) -> None:
    fairdeal(stage, "queue", "rebuild", "--yes")


def _rebuild_and_fetch(stage: Stage) -> None:
    fairdeal(stage, "queue", "rebuild", "--yes")
    assert stage.fetch().headers["X-Fairdeal-Served-By"] == "queue"


def _reconcile(stage: Stage) -> None:
    fairdeal(stage, "reconcile")


def _reconcile_and_verify(stage: Stage) -> None:
    fairdeal(stage, "verify", status=1)
    fairdeal(stage, "reconcile")
    fairdeal(stage, "verify")


def _deal_the_ticket(stage: Stage) -> None:
    """Somebody is found: they ask for what waits. `explain` says who may."""
    assert "medium" in fairdeal(stage, "explain", "1")
    assert stage.fetch().get_json()["assigned_now"] == 5


def _start_the_clock(stage: Stage) -> None:
    stage.container.schedule.close()
    stage.container.schedule.tick()


def _start_a_worker(stage: Stage) -> None:
    Worker([_messages(stage)], connection=stage.jobs, name="w-new", serializer=JSONSerializer).register_birth()


def _start_another_worker(stage: Stage) -> None:
    """It does what waits and ends; the job itself is another test's business."""
    queue = _messages(stage)
    for job in queue.jobs:
        job.func_name = "time.monotonic"
        job.save()
    SimpleWorker([queue], connection=stage.jobs, name="w-more", serializer=JSONSerializer).work(burst=True)


def _remove_the_job(stage: Stage) -> None:
    [job] = stage.container.operations.failures()
    stage.container.operations.forget(job.id)


def _mend_the_mail_server(stage: Stage) -> None:
    let_history_settle(stage.engine)
    stage.container.mailing.run()


def _messages(stage: Stage) -> Queue:
    name = queue_name(stage.settings.queue_prefix, Lane.MESSAGES)
    return Queue(name, connection=stage.jobs, serializer=JSONSerializer)


def _receive_again(stage: Stage) -> None:
    """The receiver works again: redeliver what waits by hand, as the command does, and the sender sends it."""
    with receiver() as there:
        values = "url = :url, secret = :secret, is_active = true, disabled_at = NULL, disabled_why = NULL"
        stage.sql(f"UPDATE webhooks SET {values}", url=there.url, secret=SECRET)  # ours to try with
        telling = Telling(stage.engine)
        for row in telling.rows("SELECT id, webhook_id FROM webhook_deliveries"):
            fairdeal(stage, "webhooks", "redeliver", str(row.webhook_id), str(row.id))
        telling.send()
        assert len(there.received) == len(telling.states())


def _switch_on_again(stage: Stage) -> None:
    """By the API, as the runbook says; then what was given up is sent again."""
    client = stage.app.test_client()
    token = client.post("/api/token", json={"username": "root", "password": "Correct-horse-7"}).get_json()["access"]
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    assert "kept failing" in fairdeal(stage, "webhooks", "list")
    assert client.patch("/api/webhooks/1", json={"is_active": True}).status_code == 200
    assert "to be sent again: 0" in fairdeal(stage, "webhooks", "redeliver", "1", "--failed")


CURES: dict[str, Callable[[Stage], None]] = {
    "FairdealQueueUntrusted": _rebuild,
    "FairdealServedWithoutQueue": _rebuild_and_fetch,
    "FairdealTicketsOverdue": _deal_the_ticket,
    "FairdealClaimsStuck": _reconcile,
    "FairdealInversions": _rebuild,
    "FairdealReconcilerStopped": _reconcile,
    "FairdealClockStopped": _start_the_clock,
    "FairdealWorkersMissing": _start_a_worker,
    "FairdealJobsWaiting": _start_another_worker,
    "FairdealJobsFailed": _remove_the_job,
    "FairdealMailsStuck": _mend_the_mail_server,
    "FairdealWebhooksStuck": _receive_again,
    "FairdealWebhookDisabled": _switch_on_again,
}

ELSEWHERE = {
    "FairdealNotScraped": "tests/faults/test_web_faults.py",
    "FairdealPostgresqlDown": "tests/faults/test_postgres_faults.py",
    "FairdealRedisDown": "tests/faults/test_redis_faults.py",
    "FairdealBreakerOpen": "tests/unit/test_breaker.py",
    "FairdealErrors": "tests/faults/test_postgres_faults.py",
    "FairdealFetchSlow": "test_a_lock_is_found_and_its_holder_ended",
    "FairdealPoolExhausted": "test_a_lock_is_found_and_its_holder_ended",
    "FairdealInvariantBroken": "test_a_broken_promise_about_redis_heals",
    "FairdealDriftRepaired": "nothing is to be done",
    "FairdealArchiveBehind": "tests/integration/archive/test_archive_cli.py",
}


def test_every_cure_is_tried_or_said_to_be_tried_elsewhere() -> None:
    assert CURES.keys() | ELSEWHERE.keys() == RULES.keys()
    assert not CURES.keys() & ELSEWHERE.keys()
    for place in ELSEWHERE.values():
        assert (ROOT / place).exists() or place in globals() or " " in place, place


@pytest.mark.parametrize("alert", CURES)
def test_the_cure_silences_the_alert(stage: Stage, alert: str) -> None:
    MISFORTUNES[alert](stage)
    if alert == "FairdealMailsStuck":
        give_address(stage.engine, *people_of(stage))
    before = stage.scrape()
    CURES[alert](stage)
    assert not promql.Evaluator(before, stage.scrape()).fires(RULES[alert]["expr"])


def people_of(stage: Stage) -> list[int]:
    with stage.engine.connect() as connection:
        return list(connection.execute(text("SELECT id FROM users")).scalars())


def test_a_broken_promise_about_redis_heals(stage: Stage) -> None:
    # What has just been created may be on its way to the queue still, and is left alone.
    stage.sql("UPDATE tickets SET created_at = created_at - interval '1 hour', updated_at = now() - interval '1 hour'")
    stage.redis.lpop(stage.keys.queue(Priority.MEDIUM))
    _reconcile_and_verify(stage)
    scraped = stage.scrape()
    assert not promql.Evaluator(scraped, scraped).fires(RULES["FairdealInvariantBroken"]["expr"])


def test_a_lock_is_found_and_its_holder_ended(stage: Stage) -> None:
    """The two statements of FairdealFetchSlow, by the service's own account; then the fetch that waited goes on."""
    waiting = text("SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")
    end = text("SELECT pg_terminate_backend(blocker) FROM unnest(pg_blocking_pids(:pid)) AS blocker")
    with stage.engine.connect() as holder, ThreadPoolExecutor(1) as pool:
        holder.execute(text("SELECT 1 FROM agents FOR UPDATE"))
        fetching = pool.submit(stage.fetch)
        with stage.engine.connect() as looker:

            def who_waits() -> list[int]:
                found = list(looker.execute(waiting).scalars())
                looker.rollback()
                return found

            assert wait_until(lambda: bool(who_waits()), 30)
            looker.execute(end, {"pid": who_waits()[0]})
            looker.rollback()
        assert fetching.result(30).get_json()["assigned_now"] == 5
        holder.invalidate()
