"""The audit side of the queue on a real server, each script by itself."""

from __future__ import annotations

import random
from collections.abc import Iterable
from unittest.mock import ANY
from uuid import uuid4

import pytest
from redis import Redis

from service.domain.errors import QueueUnavailable
from service.domain.model import Priority, QueuedTicket
from service.ticket_queue.audit import MAX_WALK, QUARANTINE_LIMIT, RedisQueueAudit
from service.ticket_queue.client import make_client
from service.ticket_queue.keys import Keys
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.ports.queue import HeldSet, Repaired

MEDIUM = Priority.MEDIUM


@pytest.fixture
def audit(redis_client: Redis, keys: Keys, queue: RedisTicketQueue) -> RedisQueueAudit:
    return RedisQueueAudit(redis_client, keys)


def tickets(ids: Iterable[int], priority: Priority = MEDIUM) -> list[QueuedTicket]:
    return [QueuedTicket(ticket_id, priority) for ticket_id in ids]


def test_a_snapshot_stands_still(audit: RedisQueueAudit, redis_client: Redis, keys: Keys) -> None:
    redis_client.rpush(keys.queue(MEDIUM), *range(1, 101))
    redis_client.rpush(keys.queue(Priority.HIGH), 200)
    assert audit.snapshot(token="t", ttl_s=60) == {Priority.HIGH: 1, MEDIUM: 100, Priority.LOW: 0}
    redis_client.lpop(keys.queue(MEDIUM), 50)
    pages = [audit.snapshot_page(token="t", priority=MEDIUM, offset=offset, count=40) for offset in (0, 40, 80, 120)]
    assert [entry for page in pages for entry in page.entries] == list(range(1, 101))
    assert 0 < redis_client.ttl(keys.snapshot("t", MEDIUM)) <= 60
    audit.drop_snapshot(token="t")
    assert not list(redis_client.scan_iter("*snap*"))


def test_a_page_tells_poison_from_ids(audit: RedisQueueAudit, redis_client: Redis, keys: Keys) -> None:
    entries = ["5", "abc", "", "07", "-1", "0", "1.0", " 8", "9223372036854775807", "9223372036854775808", "６"]
    redis_client.rpush(keys.queue(MEDIUM), *entries)
    audit.snapshot(token="t", ttl_s=60)
    page = audit.snapshot_page(token="t", priority=MEDIUM, offset=0, count=100)
    assert page.entries == (5, None, None, None, None, None, None, None, 2**63 - 1, None, None)
    assert page.poison == tuple(entry for entry in entries if entry not in {"5", "9223372036854775807"})


def test_a_page_of_nothing_but_an_id_too_large_is_poison(
    audit: RedisQueueAudit, redis_client: Redis, keys: Keys
) -> None:
    redis_client.rpush(keys.queue(MEDIUM), 1, 2**63)
    audit.snapshot(token="t", ttl_s=60)
    assert audit.snapshot_page(token="t", priority=MEDIUM, offset=0, count=9).entries == (1, None)


def test_looks_ids_up_in_their_own_queue(audit: RedisQueueAudit, redis_client: Redis, keys: Keys) -> None:
    present = list(range(3, 3_000, 3))
    redis_client.rpush(keys.queue(MEDIUM), *present)
    redis_client.rpush(keys.queue(Priority.LOW), 1)
    wanted = tickets(range(3_001))
    assert audit.queued([ticket for ticket in wanted if ticket.id]) == frozenset(present)
    assert audit.queued([]) == frozenset()


def test_looks_up_what_lies_close_together_far_apart_and_at_the_ends(
    audit: RedisQueueAudit, redis_client: Redis, keys: Keys
) -> None:
    chosen = random.Random(11)
    present = sorted(chosen.sample(range(10, 50_000), 20_000))
    redis_client.rpush(keys.queue(MEDIUM), *present)
    for count in (1, 3, 40, 700, 20_000):
        wanted = set(chosen.sample(range(1, 50_100), count)) | {present[0], present[-1], 1, 60_000}
        wanted |= set(present[-count // 2 :]) | set(present[: count // 2])
        assert audit.queued(tickets(wanted)) == wanted & set(present)


def test_takes_out_from_any_depth_of_a_short_queue(audit: RedisQueueAudit, redis_client: Redis, keys: Keys) -> None:
    redis_client.rpush(keys.queue(MEDIUM), *range(1, 5_001))
    gone = random.Random(5).sample(range(1, 5_001), 600)
    absent = [6_000, 6_001]
    assert audit.take_out(tickets([*gone, *absent])) == Repaired(count=600, ids=frozenset(gone))
    left = [int(entry) for entry in redis_client.lrange(keys.queue(MEDIUM), 0, -1)]
    assert left == [ticket_id for ticket_id in range(1, 5_001) if ticket_id not in set(gone)]


def test_names_what_stands_too_deep_in_a_long_queue(
    audit: RedisQueueAudit, queue: RedisTicketQueue, redis_client: Redis, keys: Keys
) -> None:
    length = 2 * MAX_WALK + 20_001
    present = range(2, 2 * length + 2, 2)
    for start in range(0, length, 10_000):
        redis_client.rpush(keys.queue(MEDIUM), *present[start : start + 10_000])
    middle = length + 1 - (length % 2)
    near = [4, 2 * MAX_WALK, 2 * length - 2 * MAX_WALK + 2, 2 * length]
    assert audit.take_out(tickets([*near, middle - middle % 2])).deep == tuple(tickets([middle - middle % 2]))
    assert audit.put_in(tickets([*near, middle])) == Repaired(count=3, deep=tuple(tickets(sorted([near[2], middle]))))
    assert queue.enqueue(tickets([near[2], middle])) == 2
    entries = redis_client.lrange(keys.queue(MEDIUM), 0, -1)
    assert list(map(int, entries)) == sorted([*present, middle])


@pytest.mark.parametrize("call", ["queued", "put_in", "take_out"])
def test_calls_go_on_where_the_budget_ended(
    audit: RedisQueueAudit, redis_client: Redis, keys: Keys, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a budget for one id a call, the outcome is the same as with one for all."""
    monkeypatch.setattr("service.ticket_queue.audit.BUDGET", 1)
    chosen = random.Random(3)
    present = sorted(chosen.sample(range(1, 4_000), 1_500))
    wanted = chosen.sample(range(1, 4_000), 300)
    redis_client.rpush(keys.queue(MEDIUM), *present)
    both, either = set(wanted) & set(present), set(wanted) | set(present)
    outcome = getattr(audit, call)(tickets(wanted))
    left = [int(entry) for entry in redis_client.lrange(keys.queue(MEDIUM), 0, -1)]
    expected = {
        "queued": (frozenset(both), present),
        "put_in": (Repaired(count=len(wanted) - len(both)), sorted(either)),
        "take_out": (Repaired(count=len(both), ids=frozenset(both)), sorted(set(present) - both)),
    }
    assert (outcome, left) == expected[call]


def test_nothing_is_put_into_a_queue_that_is_not_trusted(audit: RedisQueueAudit, queue: RedisTicketQueue) -> None:
    audit.distrust()
    assert audit.put_in(tickets([1, 2])) == Repaired(count=0)
    assert queue.depths()[MEDIUM] == 0


def test_the_quarantine_is_bounded_and_keeps_the_newest(
    audit: RedisQueueAudit, redis_client: Redis, keys: Keys
) -> None:
    poison = [f"x{number}" for number in range(QUARANTINE_LIMIT + 50)]
    audit.quarantine([])
    audit.quarantine(poison[:30])
    audit.quarantine(poison[30:])
    assert redis_client.lrange(keys.quarantine, 0, -1) == poison[50:]


def test_the_head_of_a_staged_list_can_be_replaced(audit: RedisQueueAudit, redis_client: Redis, keys: Keys) -> None:
    audit.stage(token="t", priority=MEDIUM, ids=[1, 2, 3, 4, 5], ttl_s=60)
    assert audit.staged_first(token="t", priority=MEDIUM, count=3) == (1, 2, 3)
    audit.restage_first(token="t", priority=MEDIUM, count=3, ids=[2, 3], ttl_s=60)
    assert audit.staged_first(token="t", priority=MEDIUM, count=9) == (2, 3, 4, 5)
    audit.restage_first(token="t", priority=MEDIUM, count=4, ids=[6], ttl_s=60)
    assert 0 < redis_client.ttl(keys.staging("t", MEDIUM)) <= 60, "another list, which vanishes as well"
    audit.restage_first(token="t", priority=MEDIUM, count=1, ids=[], ttl_s=60)
    assert audit.staged_first(token="t", priority=MEDIUM, count=9) == ()


def test_a_snapshot_has_the_claims_of_the_same_instant(
    audit: RedisQueueAudit, queue: RedisTicketQueue, redis_client: Redis
) -> None:
    queue.enqueue(tickets(range(1, 11)))
    popped = queue.claim(claim_id=uuid4(), agent_id=7, wanted=2, capacity=15, priorities=(MEDIUM,))
    audit.snapshot(token="t", ttl_s=60)
    queue.settle(popped)
    queue.claim(claim_id=uuid4(), agent_id=8, wanted=2, capacity=15, priorities=(MEDIUM,))
    assert audit.snapshot_claimed(token="t") == {1, 2}
    assert audit.claimed() == {3, 4}
    audit.drop_snapshot(token="t")
    assert not list(redis_client.scan_iter("*snap*"))
    assert audit.snapshot_claimed(token="t") == frozenset()


def test_lists_claims_by_age_and_ends_them_once(
    audit: RedisQueueAudit, queue: RedisTicketQueue, redis_client: Redis, keys: Keys
) -> None:
    queue.enqueue(tickets(range(1, 11)))
    young, old = (
        queue.claim(claim_id=uuid4(), agent_id=agent, wanted=2, capacity=15, priorities=(MEDIUM,)) for agent in (7, 8)
    )
    redis_client.zincrby(keys.claims, -30_000, old.token)
    [stale] = audit.open_claims(older_than_s=12)
    assert (stale.claim_id, stale.agent_id, stale.tickets) == (old.claim_id, 8, old.tickets)
    assert 30 <= stale.age_s < 40
    assert [claim.claim_id for claim in audit.open_claims(older_than_s=0)] == [old.claim_id, young.claim_id]
    assert audit.claimed() == {1, 2, 3, 4}
    assert audit.end_claim(stale)
    assert not audit.end_claim(stale)
    assert audit.claimed() == {1, 2}
    again = queue.claim(claim_id=old.claim_id, agent_id=8, wanted=2, capacity=15, priorities=(MEDIUM,))
    assert [ticket.id for ticket in again.tickets] == [5, 6]


def test_reads_held_sets_and_what_does_not_belong_in_them(
    audit: RedisQueueAudit, redis_client: Redis, keys: Keys
) -> None:
    redis_client.sadd(keys.held(7), 1, 2, "x", b"\xff\xfe")
    redis_client.sadd(keys.held(8), 3)
    redis_client.sadd(f"{keys.held(9)}x", 3)
    assert sorted(audit.held_agents()) == [7, 8]
    assert audit.held_sets([7, 8, 9]) == {
        7: HeldSet(ids=frozenset({1, 2}), poison=ANY),
        8: HeldSet(ids=frozenset({3})),
        9: HeldSet(ids=frozenset()),
    }
    assert audit.held(7) == {1, 2}
    assert sorted(audit.held_sets([7])[7].poison) == ["\\xff\\xfe", "x"]
    assert audit.evict_held_poison(7) == 2
    assert redis_client.smembers(keys.held(7)) == {"1", "2"}


def test_publishing_swaps_all_queues_and_marks_them_trusted(
    audit: RedisQueueAudit, queue: RedisTicketQueue, redis_client: Redis, keys: Keys
) -> None:
    queue.enqueue(tickets([1, 2]) + tickets([3], Priority.LOW))
    audit.distrust()
    assert not queue.is_trusted()
    audit.stage(token="t", priority=MEDIUM, ids=range(10, 2_510), ttl_s=60)
    audit.stage(token="t", priority=MEDIUM, ids=[9_999], ttl_s=60)
    assert not audit.publish(token="t", lengths={MEDIUM: 2_500})
    assert queue.depths() == {Priority.HIGH: 0, MEDIUM: 2, Priority.LOW: 1}
    assert audit.publish(token="t", lengths={MEDIUM: 2_501})
    assert queue.depths() == {Priority.HIGH: 0, MEDIUM: 2_501, Priority.LOW: 0}
    assert audit.first(MEDIUM, count=2) == (10, 11)
    assert redis_client.ttl(keys.queue(MEDIUM)) == -1
    assert redis_client.get(keys.generation) == "t"


def test_staged_lists_vanish_by_themselves(audit: RedisQueueAudit, redis_client: Redis, keys: Keys) -> None:
    audit.stage(token="t", priority=MEDIUM, ids=[1], ttl_s=60)
    assert 0 < redis_client.ttl(keys.staging("t", MEDIUM)) <= 60
    audit.drop_staged(token="t")
    assert not redis_client.exists(keys.staging("t", MEDIUM))


def test_moves_wrong_types_aside_and_keeps_trust_where_only_hands_were_wrong(
    audit: RedisQueueAudit, queue: RedisTicketQueue, redis_client: Redis, keys: Keys
) -> None:
    redis_client.set(keys.held(7), "x")
    assert audit.wrong_key_types() == [keys.held(7)]
    assert audit.repair_key_types() == [keys.held(7)]
    assert queue.is_trusted()
    redis_client.set(keys.queue(MEDIUM), "y")
    assert audit.repair_key_types() == [keys.queue(MEDIUM)]
    assert not queue.is_trusted()
    assert audit.wrong_key_types() == []
    aside = list(redis_client.scan_iter("*aside*"))
    assert sorted(redis_client.mget(aside)) == ["x", "y"]
    assert all(redis_client.ttl(key) > 6 * 24 * 3600 for key in aside)


def test_a_generation_of_the_wrong_type_is_no_trust(
    audit: RedisQueueAudit, queue: RedisTicketQueue, redis_client: Redis, keys: Keys
) -> None:
    redis_client.delete(keys.generation)
    redis_client.rpush(keys.generation, 1)
    audit.repair_key_types()
    assert not queue.is_trusted()


def test_the_identity_is_the_servers_own(audit: RedisQueueAudit, redis_client: Redis) -> None:
    assert redis_client.info("server")["run_id"] in audit.identity()
    assert audit.identity() == audit.identity()


def test_a_server_that_is_away_is_a_fact(keys: Keys) -> None:
    audit = RedisQueueAudit(make_client("redis://127.0.0.1:1", timeout_ms=200), keys)
    calls = [
        lambda: audit.snapshot(token="t", ttl_s=1),
        lambda: audit.snapshot_page(token="t", priority=MEDIUM, offset=0, count=1),
        lambda: audit.drop_snapshot(token="t"),
        lambda: audit.queued(tickets([1])),
        lambda: audit.first(MEDIUM, count=1),
        lambda: audit.put_in(tickets([1])),
        lambda: audit.take_out(tickets([1])),
        lambda: audit.quarantine(["x"]),
        lambda: audit.snapshot_claimed(token="t"),
        lambda: audit.staged_first(token="t", priority=MEDIUM, count=1),
        lambda: audit.restage_first(token="t", priority=MEDIUM, count=1, ids=[], ttl_s=60),
        lambda: audit.open_claims(older_than_s=0),
        audit.claimed,
        audit.broken_claims,
        lambda: audit.evict_broken_claims(["x"]),
        lambda: list(audit.held_agents()),
        lambda: audit.held_sets([1]),
        lambda: audit.evict_held_poison(1),
        lambda: audit.stage(token="t", priority=MEDIUM, ids=[1], ttl_s=1),
        lambda: audit.publish(token="t", lengths={}),
        lambda: audit.drop_staged(token="t"),
        audit.distrust,
        audit.wrong_key_types,
        audit.repair_key_types,
        audit.identity,
    ]
    for call in calls:
        with pytest.raises(QueueUnavailable):
            call()
