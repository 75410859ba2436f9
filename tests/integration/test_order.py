"""Exact order: many creators, agents who give back and take again, and a queue that is ascending at every instant."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise

import pytest
from redis import Redis
from sqlalchemy import Engine, text

from service.domain.model import HELD, Priority, QueuedTicket
from service.store.assignments import PostgresAssignments
from service.store.places import PostgresPlaces
from service.store.tickets import PostgresTickets
from service.ticket_queue.keys import Keys
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.assignments import Assignments
from service.usecases.lifecycle import Lifecycle
from service.usecases.ports.tickets import TicketDraft
from service.usecases.tickets import Tickets

CREATORS, CREATED_BY_EACH, AGENTS, ROUNDS = 32, 12, 8, 12

OPEN = text("SELECT id FROM tickets WHERE status = 'open' AND priority = :priority ORDER BY id")
DEADLOCKS = text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")

Make = Callable[..., int]
MakeMany = Callable[..., list[int]]


class Desk:
    """The use cases on one store and one queue."""

    def __init__(self, engine: Engine, queue: RedisTicketQueue) -> None:
        store = PostgresAssignments(engine)
        places = PostgresPlaces(engine)
        self.tickets = Tickets(store=PostgresTickets(engine), queue=queue, places=places)
        self.assignments = Assignments(store=store, queue=queue, places=places)
        self.lifecycle = Lifecycle(store=store, queue=queue, places=places)

    def create(self, count: int, priorities: list[Priority]) -> None:
        for n in range(count):
            priority = priorities[n % len(priorities)]
            self.tickets.create(TicketDraft(subject="Printer on fire", priority=priority), actor_id=None)


@pytest.fixture
def desk(engine: Engine, queue: RedisTicketQueue) -> Desk:
    return Desk(engine, queue)


@contextmanager
def sampled(redis_client: Redis, keys: Keys) -> Iterator[list[int]]:
    """Look at every queue as often as possible; each look must show a strictly ascending list. Yields the lengths."""
    lengths: list[int] = []
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            for priority in Priority:
                entries = [int(entry) for entry in redis_client.lrange(keys.queue(priority), 0, -1)]
                inverted = [pair for pair in pairwise(entries) if pair[0] >= pair[1]]
                assert not inverted, f"{priority}: {inverted[:5]} among {len(entries)}"
                lengths.append(len(entries))

    with ThreadPoolExecutor(1) as pool:
        watcher = pool.submit(watch)
        try:
            yield lengths
        finally:
            done.set()
        watcher.result()


def at_once(works: list[Callable[[], object]]) -> None:
    """Let all of them begin at the same moment, and pass on what any of them raises."""
    start = threading.Barrier(len(works))

    def run(work: Callable[[], object]) -> None:
        start.wait()
        work()

    with ThreadPoolExecutor(len(works)) as pool:
        for future in [pool.submit(run, work) for work in works]:
            future.result()


def test_the_queue_is_ascending_at_every_instant(
    desk: Desk, engine: Engine, queue: RedisTicketQueue, redis_client: Redis, keys: Keys, make_agent: Make
) -> None:
    agents = [make_agent(f"agent{n}", level="senior" if n % 2 else "junior") for n in range(AGENTS)]
    priorities = [Priority.MEDIUM, Priority.LOW, Priority.MEDIUM, Priority.HIGH]

    def retake(agent: int) -> None:
        chance = random.Random(agent)
        for _ in range(ROUNDS):
            hand = desk.assignments.fetch(agent, limit=chance.randint(1, 15)).tickets
            if chance.random() < 0.2:
                desk.assignments.return_all(agent, actor_id=None)
                continue
            for ticket in chance.sample(hand, len(hand) // 2):
                desk.lifecycle.release(agent, ticket.id, reason="not mine")

    creators = [lambda: desk.create(CREATED_BY_EACH, priorities)] * CREATORS
    with sampled(redis_client, keys) as lengths:
        at_once([*creators, *(lambda agent=agent: retake(agent) for agent in agents)])  # type: ignore[misc]
    assert max(lengths) > 0, "the samples saw the queue at work"
    assert queue.inversions() == 0
    with engine.connect() as connection:
        for priority in Priority:
            opened = connection.execute(OPEN, {"priority": priority.value}).scalars().all()
            queued = [int(entry) for entry in redis_client.lrange(keys.queue(priority), 0, -1)]
            assert queued == list(opened), priority
        assert connection.execute(DEADLOCKS).scalar_one() == 0
    held = {ticket.id: ticket.status for agent in agents for ticket in desk.assignments.held(agent).tickets}
    assert set(held.values()) <= HELD
    total = sum(queue.depths().values()) + len(held)
    assert total == CREATORS * CREATED_BY_EACH, "each ticket is in one place"


def test_a_released_ticket_is_the_next_one_dealt_while_others_create(
    desk: Desk, redis_client: Redis, keys: Keys, queue: RedisTicketQueue, make_agent: Make, make_tickets: MakeMany
) -> None:
    ann, bob, backlog = make_agent("ann"), make_agent("bob"), make_tickets(40)

    def release_and_retake() -> None:
        for oldest in backlog[:ROUNDS]:
            [taken] = desk.assignments.fetch(ann, limit=1).tickets
            assert taken.id == oldest
            desk.lifecycle.release(ann, taken.id, reason="lunch")
            [again] = desk.assignments.fetch(bob, limit=1).tickets
            assert again.id == oldest, "given back, it is the oldest again"
            desk.lifecycle.resolve(bob, again.id)

    with sampled(redis_client, keys):
        at_once([release_and_retake, *([lambda: desk.create(4, [Priority.MEDIUM])] * CREATORS)])
    assert queue.inversions() == 0


def test_what_an_admin_gives_back_or_reopens_is_dealt_before_younger_ones(
    desk: Desk, make_agent: Make, make_tickets: MakeMany
) -> None:
    ann, bob, created = make_agent("ann"), make_agent("bob"), make_tickets(30)
    desk.assignments.fetch(ann, limit=10)
    desk.lifecycle.return_one(created[4], actor_id=None)
    desk.lifecycle.resolve(ann, created[2])
    desk.lifecycle.reopen(created[2], actor_id=None)
    hand = desk.assignments.fetch(bob, limit=4)
    assert [ticket.id for ticket in hand.tickets] == [created[2], created[4], created[10], created[11]]


def test_an_id_committed_late_is_dealt_before_the_younger_ones_that_are_waiting(
    desk: Desk, queue: RedisTicketQueue, make_agent: Make, make_tickets: MakeMany
) -> None:
    created = make_tickets(5, enqueue=False)
    late, *others = [QueuedTicket(ticket_id, Priority.MEDIUM) for ticket_id in created]
    queue.enqueue(others)
    queue.enqueue([late])
    assert [ticket.id for ticket in desk.assignments.fetch(make_agent(), limit=2).tickets] == created[:2]
