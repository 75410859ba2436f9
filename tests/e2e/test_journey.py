"""A working day through gunicorn, a real RQ worker and the clock, with Redis losing its memory in the middle."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis

from scripts.waiting import wait_until
from service.domain.model import Priority
from service.ticket_queue.client import make_client
from service.ticket_queue.keys import Keys
from tests.e2e.service_run import ROOT, Run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ADMIN_PASSWORD = "Let-me-in-1"
AGENT_PASSWORD = "Deal-me-in-1"
AGENTS, TICKETS = 6, 120
MEDIUM = Keys("fairdeal").queue(Priority.MEDIUM)


@pytest.fixture
def run(start: Callable[..., Run]) -> Run:
    return start(ADMIN_PASSWORD=ADMIN_PASSWORD, WEB_WORKERS="2", RECONCILE_FULL_S="3").ready()


@pytest.fixture
def redis(run: Run) -> Redis:
    return make_client(run.kept()["REDIS_URL"], timeout_ms=5_000)


def queued(redis: Redis) -> list[int]:
    return [int(entry) for entry in redis.lrange(MEDIUM, 0, -1)]


def fairdeal(run: Run, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "service", *arguments], cwd=ROOT, env={"PATH": "/usr/bin:/bin", **run.kept()},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_a_working_day(run: Run, redis: Redis) -> None:
    admin = run.sign_in("admin", ADMIN_PASSWORD)
    run.until(lambda: bool(redis.exists(Keys("fairdeal").generation)), "trust in the queue")
    tokens = _hire(run, admin)
    ids = _create(run, admin)
    run.until(lambda: queued(redis) == ids, "queueing")

    with ThreadPoolExecutor(AGENTS * 3) as pool:
        answers = list(pool.map(lambda token: run.call("POST", "/api/tickets/fetch", token=token), tokens * 3))
    assert {answer.status for answer in answers} == {200}
    hands = [run.call("GET", "/api/tickets/held", token=token).body["tickets"] for token in tokens]
    assert [len(hand) for hand in hands] == [15] * AGENTS
    dealt = Counter(ticket["id"] for hand in hands for ticket in hand)
    assert sorted(dealt.elements()) == ids[: AGENTS * 15]

    _sell_one_each(run, tokens, hands)
    _lose_and_find(run, redis, ids[AGENTS * 15 :])
    _flush_and_go_on(run, redis, tokens[0], ids[AGENTS * 15 :])
    _reconcile_on_demand(run, admin)
    verified = fairdeal(run, "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def _hire(run: Run, admin: str) -> list[str]:
    for number in range(AGENTS):
        draft = {"username": f"agent{number}", "password": AGENT_PASSWORD}
        assert run.call("POST", "/api/agents", draft, token=admin).status == 201
    return [run.sign_in(f"agent{number}", AGENT_PASSWORD) for number in range(AGENTS)]


def _create(run: Run, admin: str) -> list[int]:
    def create(number: int) -> int:
        answer = run.call("POST", "/api/tickets", {"subject": f"Ticket {number}"}, token=admin)
        assert answer.status == 201
        return int(answer.body["id"])

    with ThreadPoolExecutor(8) as pool:
        return sorted(pool.map(create, range(TICKETS)))


def _sell_one_each(run: Run, tokens: list[str], hands: list[list[dict[str, int]]]) -> None:
    customer = {"customer": {"name": "Kim", "email": "kim@example.com"}}
    for token, hand in zip(tokens, hands, strict=True):
        sold = run.call("POST", f"/api/tickets/{hand[0]['id']}/sell", customer, token=token)
        assert (sold.status, sold.body["status"]) == (200, "sold")
    others = run.call("POST", f"/api/tickets/{hands[0][1]['id']}/sell", customer, token=tokens[1])
    assert (others.status, others.body["code"]) == (404, "not_found")


def _lose_and_find(run: Run, redis: Redis, waiting: list[int]) -> None:
    """Plant drift and wait for the clock and the worker to mend it."""
    redis.lrem(MEDIUM, 1, str(waiting[4]))
    redis.rpush(MEDIUM, 10**9, waiting[0])
    assert wait_until(lambda: queued(redis) == waiting, 30, pause_s=0.1), queued(redis)


def _flush_and_go_on(run: Run, redis: Redis, token: str, waiting: list[int]) -> None:
    redis.flushall()
    fetched = run.call("POST", "/api/tickets/fetch", token=token)
    assert (fetched.status, fetched.body["assigned_now"]) == (200, 1)
    assert fetched.body["tickets"][-1]["id"] == waiting[0], "still the oldest"
    assert wait_until(lambda: queued(redis) == waiting[1:], 30, pause_s=0.1), queued(redis)


def _reconcile_on_demand(run: Run, admin: str) -> None:
    asked = run.call("POST", "/api/ops/reconciliations", {"dry_run": True}, token=admin)
    assert asked.status == 202

    def done() -> bool:
        return bool(run.call("GET", asked.headers["Location"], token=admin).body["status"] == "done")

    assert wait_until(done, 30, pause_s=0.1)
    found = run.call("GET", asked.headers["Location"], token=admin).body
    assert found["repaired"] == {}
