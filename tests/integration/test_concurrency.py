"""Many at once: 50 agents, 8 threads each, on real PostgreSQL and a real queue."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from redis import Redis
from sqlalchemy import Engine, text

from service.domain.model import Priority
from service.store.assignments import PostgresAssignments
from service.store.places import PostgresPlaces
from service.store.sessions import PostgresSessions
from service.ticket_queue.keys import Keys
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.assignments import Assignments, Hand
from service.usecases.lifecycle import Lifecycle
from service.usecases.ports.tickets import Buyer
from tests.integration.polling import poll, sign_in

AGENTS, THREADS, TICKETS, CAPACITY = 50, 8, 2_000, 15

HELD = text(
    "SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM tickets"
    " WHERE status IN ('assigned', 'in_progress') AND deleted_at IS NULL GROUP BY agent_id) AS hands"
)
DEADLOCKS = text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")

Make = Callable[..., int]
MakeMany = Callable[..., list[int]]


@contextmanager
def sampling(engine: Engine, redis_client: Redis, keys: Keys) -> Iterator[list[int]]:
    """Watch, as often as possible, the fullest hand and whether the queue is ascending."""
    fullest: list[int] = []
    done = threading.Event()

    def watch() -> None:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            while not done.is_set():
                fullest.append(connection.execute(HELD).scalar_one())
                entries = [int(entry) for entry in redis_client.lrange(keys.queue(Priority.MEDIUM), 0, -1)]
                assert entries == sorted(set(entries))

    with ThreadPoolExecutor(1) as pool:
        watcher = pool.submit(watch)
        try:
            yield fullest
        finally:
            done.set()
        watcher.result()


def everybody(work: Callable[[int], object], agents: list[int], *, threads: int = THREADS) -> list[object]:
    """Let some threads of each agent begin at the same moment."""
    start = threading.Barrier(len(agents) * threads)

    def run(agent: int) -> object:
        start.wait()
        return work(agent)

    with ThreadPoolExecutor(len(agents) * threads) as pool:
        return [future.result() for future in [pool.submit(run, agent) for agent in agents * threads]]


def test_fetching_at_once_deals_each_ticket_to_one_agent_oldest_first(
    engine: Engine, queue: RedisTicketQueue, redis_client: Redis, keys: Keys, make_agent: Make, make_tickets: MakeMany
) -> None:
    agents = [make_agent(f"agent{n}") for n in range(AGENTS)]
    created = make_tickets(TICKETS)
    subject = Assignments(store=PostgresAssignments(engine), queue=queue, places=PostgresPlaces(engine))
    with sampling(engine, redis_client, keys) as fullest:
        hands = everybody(subject.fetch, agents)
    assert len(fullest) > 1
    assert max(fullest) <= CAPACITY
    final = [subject.held(agent) for agent in agents]
    dealt = Counter(ticket.id for hand in final for ticket in hand.tickets)
    assert sorted(dealt.elements()) == created[: AGENTS * CAPACITY], "the oldest, each once"
    for hand in hands:
        assert isinstance(hand, Hand)
        assert [ticket.id for ticket in hand.tickets] == sorted(ticket.id for ticket in hand.tickets)
    with engine.connect() as connection:
        claims = connection.execute(text("SELECT ticket_ids FROM claims")).scalars().all()
        assert connection.execute(DEADLOCKS).scalar_one() == 0
    assert all(claim == list(range(claim[0], claim[0] + len(claim))) for claim in claims), "each claim is a run of ids"
    assert queue.depths()[Priority.MEDIUM] == TICKETS - AGENTS * CAPACITY
    assert redis_client.zcard(keys.claims) == 0
    assert queue.inversions() == 0


@pytest.mark.parametrize("way", ["queue", "database", "polls"])
def test_working_through_everything_loses_and_doubles_nothing(
    engine: Engine,
    queue: RedisTicketQueue,
    redis_client: Redis,
    keys: Keys,
    make_agent: Make,
    make_tickets: MakeMany,
    way: str,
) -> None:
    agents = [make_agent(f"agent{n}") for n in range(AGENTS)]
    created = make_tickets(TICKETS)
    if way == "database":
        redis_client.delete(keys.generation)
    store = PostgresAssignments(engine)
    subject, lifecycle = (
        Assignments(store=store, queue=queue, places=PostgresPlaces(engine)),
        Lifecycle(store=store, queue=queue, places=PostgresPlaces(engine)),
    )
    sessions, session_of = PostgresSessions(engine), {agent: sign_in(engine, agent) for agent in agents}
    sold: list[int] = []

    def fetch(agent: int) -> Hand:
        return poll(subject, sessions, session_of[agent]) if way == "polls" else subject.fetch(agent)

    def work(agent: int) -> None:
        while hand := fetch(agent).tickets:
            for ticket in hand[:5]:
                lifecycle.sell(agent, ticket.id, Buyer(name="Kim", email=f"kim{ticket.id % 7}@example.com"))
            sold.extend(ticket.id for ticket in hand[:5])

    with sampling(engine, redis_client, keys) as fullest:
        everybody(work, agents, threads=2)  # with more, some wait for a connection for longer than they may
    assert max(fullest) <= CAPACITY
    assert set(sold) == set(created)
    with engine.connect() as connection:
        fetched = connection.execute(text("SELECT ticket_id FROM ticket_events WHERE cause = 'fetch'")).scalars().all()
        sales = connection.execute(text("SELECT ticket_id FROM ticket_events WHERE cause = 'sell'")).scalars().all()
        assert connection.execute(text("SELECT sum(held) FROM agents")).scalar_one() == 0
        assert connection.execute(DEADLOCKS).scalar_one() == 0
    assert sorted(fetched) == created, "each ticket dealt once"
    assert sorted(sales) == created, "each ticket sold once"
