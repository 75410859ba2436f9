"""A queue that was flushed, or is new, is built anew from PostgreSQL; what happens meanwhile is not lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from redis import Redis
from sqlalchemy import Engine

from service.domain.model import Priority
from service.store.open_tickets import PostgresOpenTickets
from service.ticket_queue.audit import RedisQueueAudit
from service.ticket_queue.keys import Keys
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.queue import SnapshotPage
from service.usecases.ports.reconcile import RunFilter, RunStatus, Tier
from tests.integration.reconciling import MEDIUM, World, tickets

MakeTickets = Callable[..., list[int]]
MakeAgent = Callable[..., int]


@pytest.fixture
def world(engine: Engine, redis_client: Redis, keys: Keys, queue: RedisTicketQueue) -> World:
    return World(engine, redis_client, keys)


class Interrupted(PostgresOpenTickets):
    """Open tickets that let something happen between the first page of a priority and the next."""

    def __init__(self, engine: Engine, meanwhile: Callable[[], None]) -> None:
        super().__init__(engine)
        self._meanwhile: Callable[[], None] | None = meanwhile

    def open_pages(self, priority: Priority, *, size: int) -> Iterator[list[int]]:
        for page in super().open_pages(priority, size=size):
            yield page
            if self._meanwhile is not None and priority is MEDIUM:
                happening, self._meanwhile = self._meanwhile, None
                happening()


def test_after_a_flush_queue_and_hands_come_back(
    world: World, make_tickets: MakeTickets, make_agent: MakeAgent
) -> None:
    for priority in Priority:
        make_tickets(120, priority.value)
    ids = world.opened()
    ann = make_agent()
    world.assign(ann, *ids[:4])
    world.client.flushdb()
    assert not world.queue.is_trusted()
    run = world.full()
    assert run.status is RunStatus.DONE
    assert run.repaired == {"rebuilt": 1, "wrong_held": 1}
    assert run.rows_compared == 356
    world.check_in_line()
    assert world.queue.is_trusted()
    assert world.client.ttl(world.keys.queue(MEDIUM)) == -1
    assert world.full().found == {}


def test_a_queue_of_nothing_is_trusted_too(world: World) -> None:
    world.client.flushdb()
    assert world.full().repaired == {"rebuilt": 1}
    assert world.queue.is_trusted()


def test_nothing_is_popped_or_queued_until_the_new_queue_is_there(world: World, make_tickets: MakeTickets) -> None:
    make_tickets(120)
    seen: list[Any] = []
    world.client.delete(world.keys.queue(MEDIUM))

    def look() -> None:
        seen.extend([world.queue.is_trusted(), world.queue.enqueue(tickets(1))])

    world.client.delete(world.keys.generation)
    world.reconciler(open_tickets=Interrupted(world.engine, look)).run(tier="full", trigger="test")
    assert seen == [False, 0]
    world.check_in_line()


def test_what_changes_while_the_queue_is_built_is_brought_in(
    world: World, make_tickets: MakeTickets, make_agent: MakeAgent
) -> None:
    ids = make_tickets(200)
    ann = make_agent()
    world.assign(ann, ids[10], ids[180])
    world.client.flushdb()

    def meanwhile() -> None:
        world.reopen(ids[10])
        world.sql("UPDATE tickets SET priority = 'high', updated_at = now() WHERE id = :id", id=ids[20])
        world.assign(ann, *ids[:3])
        make_tickets(5)

    run = world.reconciler(open_tickets=Interrupted(world.engine, meanwhile)).run(tier="full", trigger="test")
    assert run.status is RunStatus.DONE
    assert ids[10] in world.queued()
    assert world.queued()[-5:] == world.opened()[-5:]
    assert world.queued()[0] == ids[3]
    assert world.queued(Priority.HIGH) == [ids[20]]
    world.full()
    world.check_in_line()


def test_a_flush_while_the_queue_is_built_fails_the_run_and_the_next_succeeds(
    world: World, make_tickets: MakeTickets
) -> None:
    make_tickets(120)
    world.client.flushdb()
    flush = Interrupted(world.engine, lambda: world.client.flushdb())
    run = world.reconciler(open_tickets=flush).run(tier="full", trigger="test")
    assert run.status is RunStatus.FAILED
    assert run.error
    assert "lost" in run.error
    assert not list(world.client.scan_iter("*stage*"))
    assert not world.queue.is_trusted()
    assert world.full().status is RunStatus.DONE
    world.check_in_line()


def test_a_flush_during_the_wait_fails_the_run_and_the_next_succeeds(world: World, make_tickets: MakeTickets) -> None:
    make_tickets(120)
    world.client.lpop(world.keys.queue(MEDIUM))
    world.clock.meanwhile = lambda: world.client.flushdb()
    run = world.full()
    assert run.status is RunStatus.FAILED
    assert run.error
    assert "flushed" in run.error
    assert world.full().repaired == {"rebuilt": 1}
    world.check_in_line()


def test_a_flush_while_the_snapshot_is_read_fails_the_run_and_marks_nothing(
    world: World, make_tickets: MakeTickets
) -> None:
    make_tickets(120)

    class Flushed(RedisQueueAudit):
        def snapshot_page(self, **options: Any) -> SnapshotPage:
            if options["offset"] == 50:
                world.client.flushdb()
            return super().snapshot_page(**options)

    run = world.reconciler(audit=Flushed(world.client, world.keys)).run(tier="full", trigger="test")
    assert (run.status, run.repaired) == (RunStatus.FAILED, {})
    assert run.error
    assert "snapshot vanished" in run.error


def test_the_fast_tier_leaves_an_untrusted_queue_alone(world: World, make_tickets: MakeTickets) -> None:
    make_tickets(3)
    world.client.flushdb()
    assert world.fast().found == {"untrusted": 1}
    assert world.client.dbsize() == 0


def test_no_snapshot_or_staging_key_is_left_behind(world: World, make_tickets: MakeTickets) -> None:
    make_tickets(120)
    world.client.flushdb()
    world.full()
    world.full()
    assert set(world.client.scan_iter()) == {world.keys.generation, world.keys.queue(MEDIUM)}


def test_a_live_queue_serves_while_it_is_built_anew(
    world: World, make_tickets: MakeTickets, make_agent: MakeAgent
) -> None:
    """What is queued and dealt meanwhile lands in a list about to go, and must be right in the new one."""
    ids = make_tickets(3_000)
    ann = make_agent()
    world.client.rpush(world.keys.queue(MEDIUM), "poison")
    world.assign(ann, ids[2_900])
    world.queue.remove(tickets(ids[2_900]))
    served: list[list[int]] = []

    def meanwhile() -> None:
        popped = world.queue.claim(claim_id=uuid4(), agent_id=ann, wanted=14, capacity=15, priorities=(MEDIUM,))
        world.assign(ann, *(ticket.id for ticket in popped.tickets), hold=False)
        world.queue.settle(popped)
        served.append([ticket.id for ticket in popped.tickets])
        new = make_tickets(1)
        world.queue.enqueue(tickets(*new))
        world.reopen(ids[2_900])
        world.queue.unhold(ann, [ids[2_900]])
        world.queue.enqueue(tickets(ids[2_900]))

    class Meanwhile(PostgresOpenTickets):
        passes = 0

        def open_pages(self, priority: Priority, *, size: int) -> Iterator[list[int]]:
            self.passes += priority is MEDIUM
            for number, page in enumerate(super().open_pages(priority, size=size)):
                yield page
                if (self.passes, number) == (2, 50):
                    meanwhile()

    run = world.reconciler(open_tickets=Meanwhile(world.engine)).run(tier="full", trigger="test")
    assert served == [ids[:14]]
    assert run.repaired == {"poison": 1, "rebuilt": 1}
    world.check_in_line()
    assert world.full().found == {}


def test_what_is_missing_deep_in_a_long_queue_is_mended_without_a_walk(
    world: World, make_tickets: MakeTickets, make_agent: MakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.ticket_queue.audit.MAX_WALK", 100)
    ids = make_tickets(1_000)
    ann = make_agent()
    for place in (3, 500, 998):
        world.client.lrem(world.keys.queue(MEDIUM), 0, ids[place])
    world.assign(ann, ids[5], ids[600])
    run = world.full()
    assert run.repaired == {"missing": 3, "phantom": 2, "rebuilt": 1}
    world.check_in_line()


@pytest.mark.parametrize("many", [True, False])
def test_a_few_tickets_are_moved_in_place_and_many_all_at_once(
    world: World, make_tickets: MakeTickets, many: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.usecases.reconciliation.settlement.IN_PLACE", 10)
    ids = make_tickets(100)
    for ticket_id in ids[20 : 31 if many else 30]:
        world.client.lrem(world.keys.queue(MEDIUM), 0, ticket_id)
    assert world.full().repaired == ({"missing": 11, "rebuilt": 1} if many else {"missing": 10})
    world.check_in_line()


def test_what_a_fast_run_cannot_mend_in_place_a_full_one_does(
    world: World, make_tickets: MakeTickets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.usecases.reconciliation.settlement.IN_PLACE", 4)
    ids = make_tickets(100)
    world.client.ltrim(world.keys.queue(MEDIUM), 0, 92)
    fast = world.fast()
    [full] = world.runs.page(RunFilter(tiers=(Tier.FULL,)), PageRequest()).items
    assert (fast.found, fast.repaired) == ({"missing": 4}, {"missing": 4})
    assert (full.trigger, full.repaired) == ("fast run", {"missing": 3})
    assert world.queued() == ids
