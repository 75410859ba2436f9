"""The invariants about Redis on real servers: drift is noticed, and work under way is not taken for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from redis import Redis
from sqlalchemy import Engine

from service.bootstrap import Container
from service.domain.model import Priority, QueuedTicket
from service.store.invariants import PostgresInvariants
from service.store.open_tickets import PostgresOpenTickets
from service.ticket_queue.audit import RedisQueueAudit
from service.ticket_queue.keys import Keys
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.invariants import Invariants, all_hold
from tests.fakes.clock import FakeClock
from tests.integration.working_day import checker, judged, violated, work_for_a_day


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def invariants(engine: Engine, redis_client: Redis, keys: Keys, clock: FakeClock) -> Invariants:
    return checker(engine, redis_client, keys, clock)


@pytest.fixture
def worked(container: Container, make_agent: Callable[..., int]) -> tuple[int, int]:
    return work_for_a_day(container, make_agent)


def _shuffle(client: Redis, queue_key: str) -> None:
    client.rpush(queue_key, client.lpop(queue_key))


QUEUE_DRIFT: dict[str, tuple[Callable[[Redis, str], Any], str]] = {
    "missing": (lambda client, key: client.lrem(key, 1, client.lindex(key, 3)), "is open and missing from the medium"),
    "phantom": (lambda client, key: client.rpush(key, 10**9), "ticket 1000000000 is in the medium queue and not open"),
    "duplicate": (lambda client, key: client.rpush(key, client.lindex(key, -1)), "stands twice or out of order"),
    "out of order": (_shuffle, "stands twice or out of order"),
    "poison": (lambda client, key: client.rpush(key, "x7"), "has the entry 'x7', which is no id"),
    "wrong type": (lambda client, key: (client.delete(key), client.set(key, "oops")), "is of a wrong type"),
}


@pytest.mark.parametrize("name", QUEUE_DRIFT)
def test_a_queue_that_differs_is_noticed_by_two_looks(
    name: str, invariants: Invariants, worked: tuple[int, int], redis_client: Redis, keys: Keys, clock: FakeClock
) -> None:
    break_it, words = QUEUE_DRIFT[name]
    break_it(redis_client, keys.queue(Priority.MEDIUM))
    results = {result.code: result for result in invariants.check(at_rest=True)}
    assert results["I5"].ok is False
    assert any(words in example for example in results["I5"].examples), results["I5"]
    assert clock.slept == [0.5]


def test_a_flushed_queue_is_counted_ticket_by_ticket(
    invariants: Invariants, make_tickets: Callable[..., list[int]], redis_client: Redis
) -> None:
    make_tickets(12_345)
    redis_client.flushdb()
    found = {result.code: result for result in invariants.check(at_rest=True)}["I5"]
    assert found.violations == 12_345
    assert len(found.examples) == 5


def test_a_difference_that_is_gone_at_the_second_look_is_none(
    invariants: Invariants, make_tickets: Callable[..., list[int]], queue: RedisTicketQueue, clock: FakeClock
) -> None:
    late = make_tickets(3, enqueue=False)
    clock.meanwhile = lambda: queue.enqueue([QueuedTicket(ticket_id, Priority.MEDIUM) for ticket_id in late]) and None
    assert violated(invariants.check(at_rest=True)) == set()
    assert clock.slept == [0.5]


def test_while_work_is_under_way_a_difference_is_shown_and_not_judged(
    invariants: Invariants, make_tickets: Callable[..., list[int]]
) -> None:
    make_tickets(3, enqueue=False)
    results = invariants.check(at_rest=False)
    found = {result.code: result for result in results}["I5"]
    assert (found.ok, found.violations) == (None, 3)
    assert "work under way" in found.note
    assert all_hold(results)


def test_a_held_set_that_differs_is_noticed(
    invariants: Invariants, worked: tuple[int, int], redis_client: Redis, keys: Keys
) -> None:
    ann, ben = worked
    redis_client.sadd(keys.held(ann), 777)
    redis_client.delete(keys.held(ben))
    found = {result.code: result for result in invariants.check(at_rest=True)}["I6"]
    assert found.ok is False
    assert found.examples[0] == f"agent {ann} holds ticket 777 in Redis alone"
    assert found.examples[1].startswith(f"agent {ben} holds ticket")
    assert found.examples[1].endswith("in PostgreSQL alone")


def test_a_claim_that_nobody_settled_is_overdue_after_lease_and_ticks(
    invariants: Invariants, queue: RedisTicketQueue, make_tickets: Callable[..., list[int]], redis_client: Redis,
    keys: Keys,
) -> None:  # fmt: skip
    make_tickets(2)
    queue.claim(claim_id=uuid4(), agent_id=1, wanted=1, capacity=15, priorities=[Priority.MEDIUM])
    assert judged(invariants.check(at_rest=True))["I8"] is True
    [(member, score)] = redis_client.zrange(keys.claims, 0, -1, withscores=True)
    redis_client.zadd(keys.claims, {member: score - 17_000})
    assert judged(invariants.check(at_rest=True))["I8"] is False


def test_without_redis_the_rest_is_still_judged_and_all_does_not_hold(
    engine: Engine, worked: tuple[int, int], keys: Keys
) -> None:
    nobody = Redis(host="127.0.0.1", port=1, decode_responses=True)
    checked = Invariants(
        store=PostgresInvariants(engine),
        open_tickets=PostgresOpenTickets(engine),
        audit=RedisQueueAudit(nobody, keys),
        lease_s=12,
        tick_s=2,
    )
    results = checked.check(at_rest=True)
    assert {code for code, ok in judged(results).items() if ok is None} == {"I5", "I6", "I8", "I10"}
    assert not all_hold(results)
    nobody.close()
