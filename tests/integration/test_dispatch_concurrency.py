"""Pull and push at once, from many threads, under one cap and in one order."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import Engine, text

from scripts.waiting import wait_until
from service.domain.errors import IllegalMove, NotFound
from service.domain.model import Level, Priority
from service.ticket_queue.keys import Keys
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.dispatch import Dispatcher
from service.usecases.ports.reconcile import Lease
from tests.integration.desk import Desk, as_decided, as_hinted
from tests.integration.dispatching import dispatcher, given
from tests.integration.test_concurrency import DEADLOCKS, sampling

Make = Callable[..., int]
MakeMany = Callable[..., list[int]]

AGENTS, TICKETS = 12, 400
GIVEN = text(
    "SELECT ticket_id, cause, agent_id FROM ticket_events WHERE cause IN ('fetch', 'dispatch') ORDER BY ticket_id, id"
)
LEVELS = text("SELECT id, level FROM agents")


class OpenDoor:
    """Leases for everybody at once: what a lease that was lost, or given twice, would be like."""

    def acquire(self, name: str, *, holder: str, ttl_s: float) -> Lease:
        return Lease(name=name, holder=holder, token=1)

    def renew(self, lease: Lease, *, ttl_s: float) -> bool:
        return True

    def release(self, lease: Lease) -> None:
        pass

    def holder(self, name: str) -> str | None:
        return None


def without_lease(engine: Engine, queue: RedisTicketQueue) -> Dispatcher:
    made = dispatcher(engine, queue)
    made._leases = OpenDoor()
    return made


def work(desk: Desk, agent: int, over: threading.Event, *, pulls: bool) -> None:
    """Sell what is in the hand, however it came there; fetch besides where this thread is one that pulls."""
    while not over.is_set():
        hand = desk.assignments.fetch(agent) if pulls else desk.assignments.held(agent)
        for ticket in hand.tickets[:4]:
            with suppress(IllegalMove, NotFound):  # the same agent's other thread was as quick
                desk.lifecycle.sell(agent, ticket.id, None)


@pytest.mark.parametrize("with_queue", [True, False], ids=["queue", "database"])
def test_pull_push_and_sales_at_once_keep_cap_holder_and_order(
    engine: Engine,
    queue: RedisTicketQueue,
    redis_client: Redis,
    keys: Keys,
    make_agent: Make,
    make_tickets: MakeMany,
    *,
    with_queue: bool,
) -> None:
    agents = [
        make_agent(f"agent{n}", auto_assign=n % 3 != 0, level=list(Level)[n % 2], capacity=3 + n) for n in range(AGENTS)
    ]
    created = [make_tickets(TICKETS // 4, priority) for priority in ("high", "medium", "medium", "low")]
    if not with_queue:
        redis_client.delete(keys.generation)
    desk, over = Desk(engine, queue), threading.Event()

    def push() -> list[int]:
        pushed: list[int] = []
        while not over.is_set():
            for ids in given(without_lease(engine, queue).run(trigger="test")).values():
                pushed += ids
        return pushed

    with sampling(engine, redis_client, keys) as fullest, ThreadPoolExecutor(2 * AGENTS + 3) as pool:
        pushing = [pool.submit(push) for _ in range(3)]
        working = [pool.submit(work, desk, agent, over, pulls=n % 2 == 0) for n, agent in enumerate(agents * 2)]
        assert wait_until(lambda: as_decided(engine) == ({p.value: [] for p in Priority}, {}), 120)
        over.set()
        for future in working:
            future.result()
        pushed = [ticket_id for future in pushing for ticket_id in future.result()]

    assert max(fullest) <= 15
    with engine.connect() as connection:
        events = connection.execute(GIVEN).all()
        levels = {row.id: row.level for row in connection.execute(LEVELS)}
        assert connection.execute(DEADLOCKS).scalar_one() == 0
    assert [event.ticket_id for event in events] == sorted(n for ids in created for n in ids), "each dealt once"
    causes = Counter(event.cause for event in events)
    assert causes["dispatch"] == len(pushed) > 0
    assert causes["fetch"] > 0, "both took part"
    assert {levels[event.agent_id] for event in events if event.ticket_id in created[0]} == {"senior"}
    if with_queue:
        assert queue.inversions() == 0
        assert as_hinted(redis_client, keys) == ({p.value: [] for p in Priority}, {})
        assert redis_client.zcard(keys.claims) == 0


def test_two_dispatchers_at_once_give_each_ticket_once_and_overfill_nobody(
    engine: Engine, queue: RedisTicketQueue, redis_client: Redis, keys: Keys, make_agent: Make, make_tickets: MakeMany
) -> None:
    """Without a lease between them PostgreSQL decides, and what one plan took from the other goes back to its place."""
    agents = [make_agent(f"agent{n}", auto_assign=True, capacity=7) for n in range(10)]
    tickets = make_tickets(100)
    start = threading.Barrier(4)

    def push(_: int) -> dict[int, list[int]]:
        start.wait()
        return given(without_lease(engine, queue).run(trigger="test"))

    with ThreadPoolExecutor(4) as pool:
        pushed: list[dict[int, list[int]]] = list(pool.map(push, range(4)))
    pushed.append(given(dispatcher(engine, queue).run(trigger="test")))  # what one gave back as the others ended
    ids = sorted(ticket_id for gifts in pushed for mine in gifts.values() for ticket_id in mine)
    assert len(ids) == len(set(ids)) == 70
    decided = as_decided(engine)
    assert {agent: len(hand) for agent, hand in decided[1].items()} == dict.fromkeys(agents, 7)
    assert as_hinted(redis_client, keys) == decided
    assert set(ids) <= set(tickets)
    assert redis_client.zcard(keys.claims) == 0


def test_a_share_is_popped_by_its_limits(engine: Engine, queue: Any, make_agent: Make, make_tickets: MakeMany) -> None:
    """Two seniors share what is high between them, though either could take it all."""
    make_tickets(4, "high")
    make_tickets(4, "low")
    ann, ben = (make_agent(name, level="senior", auto_assign=True) for name in ("ann", "ben"))
    desk = Desk(engine, queue)
    dispatcher(engine, queue).run(trigger="test")
    for agent in (ann, ben):
        found = Counter(ticket.priority for ticket in desk.assignments.held(agent).tickets)
        assert found == {Priority.HIGH: 2, Priority.LOW: 2}
