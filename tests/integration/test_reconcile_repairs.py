"""Every kind of drift, planted on real servers: found, named, repaired, and nothing else touched."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest
from redis import Redis
from sqlalchemy import Engine

from service.domain.model import Priority
from service.ticket_queue.keys import Keys, claim_member
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.ports.reconcile import Reconciliation, RunStatus
from service.usecases.reconciliation import tiers
from tests.integration.reconciling import MEDIUM, World, tickets

MakeTickets = Callable[..., list[int]]
MakeAgent = Callable[..., int]


@pytest.fixture
def world(engine: Engine, redis_client: Redis, keys: Keys, queue: RedisTicketQueue) -> World:
    return World(engine, redis_client, keys)


def counts(run: Reconciliation) -> tuple[object, ...]:
    return run.status, dict(run.found), dict(run.confirmed), dict(run.repaired), dict(run.false_candidates)


def repaired(**kinds: int) -> tuple[object, ...]:
    """All that was found was confirmed and repaired."""
    return RunStatus.DONE, kinds, kinds, kinds, {}


def test_without_drift_nothing_is_found_repaired_or_waited_for(
    world: World, make_tickets: MakeTickets, make_agent: MakeAgent
) -> None:
    for priority in Priority:
        make_tickets(120, priority.value)
    ann = make_agent()
    popped = world.queue.claim(claim_id=uuid4(), agent_id=ann, wanted=5, capacity=15, priorities=(MEDIUM,))
    world.assign(ann, *(ticket.id for ticket in popped.tickets), hold=False)
    world.queue.settle(popped)
    run = world.full()
    assert counts(run) == repaired()
    assert run.rows_compared == 355
    assert world.clock.slept == []
    world.check_in_line()


def test_missing_tickets_go_back_to_their_places(world: World, make_tickets: MakeTickets) -> None:
    ids = make_tickets(200)
    for gone in (ids[0], ids[77], ids[-1]):
        world.client.lrem(world.keys.queue(MEDIUM), 0, gone)
    run = world.full()
    assert counts(run) == repaired(missing=3)
    assert run.oldest_drift_ms is not None
    assert world.queued() == ids


def test_the_fast_tier_queues_what_was_opened_lately(world: World, make_tickets: MakeTickets) -> None:
    ids = make_tickets(30, enqueue=False)
    run = world.fast()
    assert counts(run) == repaired(missing=30)
    assert world.queued() == ids


def test_the_fast_tier_looks_at_the_latest_and_leaves_what_it_has_no_time_for(
    world: World, make_tickets: MakeTickets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiers, "RECENT_PAGE", 10)
    monkeypatch.setattr(tiers, "MOST_RECENT", 20)
    ids = make_tickets(35, enqueue=False)
    run = world.fast()
    assert (counts(run), run.rows_compared) == (repaired(missing=20), 20)
    assert world.queued() == ids[15:]
    assert counts(world.full()) == repaired(missing=15)
    assert world.queued() == ids


def test_the_fast_tier_leaves_the_youngest_to_their_writers(world: World, make_tickets: MakeTickets) -> None:
    make_tickets(3, enqueue=False)
    run = world.reconciler(grace_s=60).run(tier="fast", trigger="test")
    assert counts(run) == repaired()
    assert world.queued() == []


def test_the_full_tier_leaves_the_youngest_to_their_writers(world: World, make_tickets: MakeTickets) -> None:
    make_tickets(3, enqueue=False)
    run = world.reconciler(grace_s=60).run(tier="full", trigger="test")
    assert counts(run) == repaired()
    assert world.queued() == []


def test_phantoms_leave_the_queue(world: World, make_tickets: MakeTickets, make_agent: MakeAgent) -> None:
    ids = make_tickets(200)
    ann = make_agent()
    world.assign(ann, ids[0], ids[100], ids[199])
    world.client.rpush(world.keys.queue(MEDIUM), 10**9)
    world.sql("UPDATE tickets SET deleted_at = now() WHERE id = :id", id=ids[50])
    run = world.full()
    assert counts(run) == repaired(phantom=5)
    world.check_in_line()


def test_duplicates_are_reduced_to_one(world: World, make_tickets: MakeTickets) -> None:
    ids = make_tickets(200)
    queue = world.keys.queue(MEDIUM)
    world.client.linsert(queue, "BEFORE", ids[10], ids[10])
    world.client.lpush(queue, ids[150])
    world.client.rpush(queue, ids[20], ids[20])
    run = world.full()
    assert counts(run) == repaired(duplicate=3, rebuilt=1)
    assert world.queued() == ids


def test_a_phantom_queued_twice_leaves_altogether(world: World, make_tickets: MakeTickets) -> None:
    ids = make_tickets(20)
    world.client.rpush(world.keys.queue(MEDIUM), 999, 999)
    assert counts(world.full()) == repaired(duplicate=1, rebuilt=1)
    assert world.queued() == ids


def test_entries_out_of_order_go_to_their_places(world: World, make_tickets: MakeTickets) -> None:
    ids = make_tickets(200)
    queue = world.keys.queue(MEDIUM)
    world.client.lrem(queue, 0, ids[-1])
    world.client.lpush(queue, ids[-1])
    world.client.lrem(queue, 0, ids[3])
    world.client.linsert(queue, "AFTER", ids[120], ids[3])
    run = world.full()
    assert counts(run) == repaired(out_of_order=2, rebuilt=1)
    assert world.queued() == ids


def test_a_ticket_in_the_queue_of_another_priority_changes_queues(world: World, make_tickets: MakeTickets) -> None:
    ids = make_tickets(20)
    world.client.lrem(world.keys.queue(MEDIUM), 0, ids[7])
    world.client.rpush(world.keys.queue(Priority.LOW), ids[7])
    run = world.full()
    assert counts(run) == repaired(out_of_order=1)
    world.check_in_line()


def test_a_ticket_in_two_queues_stays_in_its_own(world: World, make_tickets: MakeTickets) -> None:
    ids = make_tickets(20)
    world.client.rpush(world.keys.queue(Priority.HIGH), ids[7])
    assert counts(world.full()) == repaired(out_of_order=1)
    world.check_in_line()


POISON = ["abc", "1.5", "-4", "0", "007", "+3", "", " 5", "9223372036854775808", "9" * 40, "１"]


def test_poison_is_quarantined(world: World, make_tickets: MakeTickets) -> None:
    ids = make_tickets(120)
    queue = world.keys.queue(MEDIUM)
    for place, entry in enumerate(POISON):
        world.client.linsert(queue, "BEFORE", ids[10 * place], entry)
    world.client.execute_command("RPUSH", queue, b"\xff\xfe")
    run = world.full()
    assert counts(run) == repaired(poison=len(POISON) + 1, rebuilt=1)
    assert world.queued() == ids
    assert set(POISON) < set(world.client.lrange(world.keys.quarantine, 0, -1))


def test_the_greatest_id_is_no_poison(world: World) -> None:
    world.sql(
        "INSERT INTO tickets (id, subject) OVERRIDING SYSTEM VALUE VALUES (1, 'a'), (9223372036854775807, 'last')"
    )
    world.queue.enqueue(tickets(1, 2**63 - 1))
    assert counts(world.full()) == repaired()


def test_stale_claims_give_their_tickets_back(world: World, make_tickets: MakeTickets, make_agent: MakeAgent) -> None:
    ids = make_tickets(20)
    ann = make_agent()
    popped = world.queue.claim(claim_id=uuid4(), agent_id=ann, wanted=4, capacity=15, priorities=(MEDIUM,))
    world.assign(ann, ids[1], hold=False)
    world.client.zadd(world.keys.claims, {popped.token: 1})
    run = world.fast()
    assert counts(run) == repaired(stale_claim=1)
    assert world.client.zcard(world.keys.claims) == 0
    assert not world.client.exists(world.keys.reply(popped.claim_id))
    world.check_in_line()


def test_a_claim_from_the_future_is_stale_too(world: World, make_tickets: MakeTickets, make_agent: MakeAgent) -> None:
    make_tickets(20)
    popped = world.queue.claim(claim_id=uuid4(), agent_id=make_agent(), wanted=4, capacity=15, priorities=(MEDIUM,))
    world.client.zadd(world.keys.claims, {popped.token: 10**13})
    assert counts(world.fast()) == repaired(stale_claim=1)
    world.check_in_line()


def test_a_claim_within_its_lease_is_left_alone(world: World, make_tickets: MakeTickets, make_agent: MakeAgent) -> None:
    make_tickets(20)
    world.queue.claim(claim_id=uuid4(), agent_id=make_agent(), wanted=4, capacity=15, priorities=(MEDIUM,))
    for run in (world.fast(), world.full()):
        assert counts(run) == repaired()
    assert len(world.queued()) == 16
    assert world.client.zcard(world.keys.claims) == 1


def test_entries_of_the_ledger_that_are_no_claims_are_quarantined(world: World) -> None:
    world.client.zadd(world.keys.claims, {"nonsense": 1, "a|b|c": 2, f"{uuid4()}|7": 3})
    assert counts(world.fast()) == repaired(poison=3)
    assert world.client.zcard(world.keys.claims) == 0


def test_held_sets_follow_the_hands(world: World, make_tickets: MakeTickets, make_agent: MakeAgent) -> None:
    ids = make_tickets(20)
    ann, bob, cid, dot = (make_agent(name) for name in ("ann", "bob", "cid", "dot"))
    world.assign(ann, *ids[:3])
    world.assign(bob, *ids[3:6], hold=False)
    world.assign(dot, ids[6])
    world.queue.remove(tickets(*ids[:7]))
    world.client.srem(world.keys.held(ann), ids[0])
    world.client.sadd(world.keys.held(cid), ids[10], 999)
    world.client.sadd(world.keys.held(dot), "garbage")
    assert counts(world.full()) == repaired(wrong_held=4)
    world.check_in_line()


def test_all_kinds_at_once(world: World, make_tickets: MakeTickets, make_agent: MakeAgent) -> None:
    ids = make_tickets(300)
    ann = make_agent()
    queue = world.keys.queue(MEDIUM)
    world.client.lrem(queue, 0, ids[5])
    world.assign(ann, ids[150])
    world.client.srem(world.keys.held(ann), ids[150])
    world.client.rpush(queue, ids[20])
    world.client.lrem(queue, 0, ids[40])
    world.client.lpush(queue, ids[40], "poison")
    world.client.zadd(world.keys.claims, {claim_member(uuid4(), ann, "m299"): 1})
    world.client.lrem(queue, 0, 299)
    run = world.full()
    # The claim is ended before the wait, which explains its ticket: it was marked as missing only if not claimed.
    assert counts(run) == repaired(
        missing=1, phantom=1, duplicate=1, out_of_order=1, stale_claim=1, wrong_held=1, poison=1, rebuilt=1
    )
    world.check_in_line()
    assert counts(world.full()) == repaired()


@pytest.mark.parametrize("wrong", ["queue", "claims", "held"])
def test_keys_of_a_wrong_type_are_set_aside(
    world: World, make_tickets: MakeTickets, make_agent: MakeAgent, wrong: str
) -> None:
    ids = make_tickets(20)
    ann = make_agent()
    world.assign(ann, ids[0])
    world.queue.remove(tickets(ids[0]))
    key = {"queue": world.keys.queue(MEDIUM), "claims": world.keys.claims, "held": world.keys.held(ann)}[wrong]
    world.client.delete(key)
    world.client.set(key, "not what you think")
    run = world.full()
    expected = {"poison": 1, "wrong_held": 1} if wrong == "held" else {"poison": 1, "rebuilt": 1}
    assert counts(run) == repaired(**expected)
    world.check_in_line()
    assert world.queue.is_trusted()
    assert [world.client.get(key) for key in world.client.scan_iter("*aside*")] == ["not what you think"]


def test_a_hopelessly_disordered_queue_is_built_anew(world: World, make_tickets: MakeTickets) -> None:
    ids = make_tickets(3_000)
    world.client.delete(world.keys.queue(MEDIUM))
    world.client.lpush(world.keys.queue(MEDIUM), *ids)
    run = world.full()
    assert counts(run) == repaired(out_of_order=len(ids) - 1, rebuilt=1)
    assert world.queued() == ids


def test_a_queue_that_lacks_nearly_all_is_built_anew(world: World, make_tickets: MakeTickets) -> None:
    ids = make_tickets(12_000)
    world.client.delete(world.keys.queue(MEDIUM))
    run = world.reconciler(page_size=5_000).run(tier="full", trigger="test")
    assert counts(run) == repaired(missing=len(ids), rebuilt=1)
    assert world.queued() == ids
