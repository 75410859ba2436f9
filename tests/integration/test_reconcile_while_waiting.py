"""A new queue is built while candidates wait to be looked at again; what happens in that time is not lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from redis import Redis
from sqlalchemy import Engine

from service.domain.model import Priority
from service.ticket_queue.keys import Keys
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.ports.reconcile import RunStatus
from tests.integration.reconciling import MEDIUM, World, tickets

MakeTickets = Callable[..., list[int]]
MakeAgent = Callable[..., int]


@pytest.fixture
def world(engine: Engine, redis_client: Redis, keys: Keys, queue: RedisTicketQueue) -> World:
    return World(engine, redis_client, keys)


def spoil(world: World, ticket_id: int) -> None:
    """Queue a ticket twice, which calls for a new queue."""
    world.client.rpush(world.keys.queue(MEDIUM), ticket_id)


def staged(world: World) -> list[str]:
    return list(world.client.scan_iter("*stage*"))


def test_the_new_queue_is_there_before_the_wait_is_over(world: World, make_tickets: MakeTickets) -> None:
    ids = make_tickets(120)
    spoil(world, ids[5])
    seen: list[int] = []
    world.clock.meanwhile = lambda: seen.extend(world.client.llen(key) for key in staged(world))
    assert world.full().repaired == {"duplicate": 1, "rebuilt": 1}
    assert 120 in seen
    assert staged(world) == []
    world.check_in_line()


def test_what_changes_during_the_wait_is_brought_in(
    world: World, make_tickets: MakeTickets, make_agent: MakeAgent
) -> None:
    ids = make_tickets(200)
    ann = make_agent()
    world.assign(ann, ids[10], ids[180])
    world.full()
    spoil(world, ids[5])

    def meanwhile() -> None:
        world.reopen(ids[10])
        world.queue.unhold(ann, [ids[10]])
        world.queue.enqueue(tickets(ids[10]))
        world.client.lpop(world.keys.queue(MEDIUM), 3)
        world.assign(ann, *ids[:3])
        world.queue.enqueue(tickets(*make_tickets(5)))

    world.clock.meanwhile = meanwhile
    run = world.full()
    assert run.status is RunStatus.DONE
    assert run.repaired == {"duplicate": 1, "rebuilt": 1}
    world.check_in_line()


def test_a_dry_run_builds_nothing(world: World, make_tickets: MakeTickets) -> None:
    ids = make_tickets(120)
    spoil(world, ids[5])
    before = world.dump()
    seen: list[str] = []
    world.clock.meanwhile = lambda: seen.extend(staged(world))
    assert world.full(dry_run=True).repaired == {}
    assert seen == []
    assert world.dump() == before


def test_a_flush_during_the_wait_fails_the_run_and_leaves_nothing_staged(
    world: World, make_tickets: MakeTickets
) -> None:
    ids = make_tickets(120)
    spoil(world, ids[5])
    world.clock.meanwhile = lambda: world.client.flushdb()
    assert world.full().status is RunStatus.FAILED
    assert staged(world) == []
    assert world.full().repaired == {"rebuilt": 1}
    world.check_in_line()


def test_more_than_are_looked_up_at_once_are_all_found_and_mended(
    world: World, make_tickets: MakeTickets, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("comparison.LOOK_AT_ONCE", "settlement.LOOK_AT_ONCE"):
        monkeypatch.setattr(f"service.usecases.reconciliation.{place}", 7)
    monkeypatch.setattr("service.store.open_tickets.LOOKED_UP", 3)
    for priority in Priority:
        make_tickets(150, priority.value)
    ids = world.opened()
    for ticket_id in ids[::5]:
        world.client.lrem(world.keys.queue(MEDIUM), 0, str(ticket_id))
    gone = ids[1::5]
    world.sql("UPDATE tickets SET deleted_at = now() WHERE id = ANY (:ids)", ids=gone)
    run = world.full()
    assert run.repaired == {"missing": len(ids[::5]), "phantom": len(gone)}
    world.check_in_line()
