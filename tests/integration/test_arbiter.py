"""The arbiter by itself, with no queue to keep anybody from asking too much."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import uuid4

from sqlalchemy import Engine

from service.domain.model import Priority, QueuedTicket
from service.store.assignments import PostgresAssignments
from service.usecases.ports.tickets import Claimed

Make = Callable[..., int]
MakeMany = Callable[..., list[int]]
THREADS = 24


def proposed(ids: list[int], priority: Priority = Priority.MEDIUM) -> list[QueuedTicket]:
    return [QueuedTicket(ticket_id, priority) for ticket_id in ids]


def at_once(work: Callable[[int], Claimed]) -> list[Claimed]:
    start = Barrier(THREADS)

    def run(number: int) -> Claimed:
        start.wait()
        return work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


def test_many_claims_of_one_agent_stop_at_the_cap_and_the_rest_is_cut(
    engine: Engine, make_agent: Make, make_tickets: MakeMany
) -> None:
    store = PostgresAssignments(engine)
    for round_number in range(5):
        agent, created = make_agent(f"agent{round_number}"), make_tickets(THREADS * 10, enqueue=False)
        verdicts = at_once(
            lambda n, agent=agent, created=created: store.claim(  # type: ignore[misc]
                claim_id=uuid4(), agent_id=agent, popped=proposed(created[n * 10 : n * 10 + 10]), limit=15
            )
        )
        assert sum(len(verdict.assigned) for verdict in verdicts) == 15
        assert sum(len(verdict.cut) for verdict in verdicts) == THREADS * 10 - 15
        assert not any(verdict.refused for verdict in verdicts)
        assert len(store.hand(agent)) == 15


def test_many_agents_after_the_same_tickets_get_each_once(
    engine: Engine, make_agent: Make, make_tickets: MakeMany
) -> None:
    store = PostgresAssignments(engine)
    agents, created = [make_agent(f"agent{n}") for n in range(THREADS)], make_tickets(15, enqueue=False)
    verdicts = at_once(lambda n: store.claim(claim_id=uuid4(), agent_id=agents[n], popped=proposed(created), limit=15))
    assert sorted(ticket.id for verdict in verdicts for ticket in verdict.assigned) == created
    assert sum(len(verdict.refused) for verdict in verdicts) == (THREADS - 1) * 15


def test_many_without_a_queue_take_the_oldest_and_each_once(
    engine: Engine, make_agent: Make, make_tickets: MakeMany
) -> None:
    store = PostgresAssignments(engine)
    agents, created = [make_agent(f"agent{n}") for n in range(THREADS)], make_tickets(THREADS * 15, enqueue=False)
    verdicts = at_once(lambda n: store.claim_oldest(claim_id=uuid4(), agent_id=agents[n], limit=15))
    taken = [ticket.id for verdict in verdicts for ticket in verdict.assigned]
    assert sorted(taken) == created


def test_a_queue_that_offers_a_junior_high_tickets_is_refused(
    engine: Engine, make_agent: Make, make_tickets: MakeMany
) -> None:
    store = PostgresAssignments(engine)
    high = make_tickets(2, "high", enqueue=False)
    offered = proposed(high)  # the queue even lies about the priority
    refused = store.claim(claim_id=uuid4(), agent_id=make_agent(), popped=offered, limit=15)
    assert (refused.assigned, refused.refused) == ((), tuple(high))
    taken = store.claim(claim_id=uuid4(), agent_id=make_agent("eve", level="senior"), popped=offered, limit=15)
    assert [ticket.priority for ticket in taken.assigned] == [Priority.HIGH, Priority.HIGH]


def test_a_claim_can_be_looked_up_afterwards(engine: Engine, make_agent: Make, make_tickets: MakeMany) -> None:
    store, claim_id = PostgresAssignments(engine), uuid4()
    created = make_tickets(3, enqueue=False)
    store.claim(claim_id=claim_id, agent_id=make_agent(), popped=proposed(created), limit=2)
    assert store.claimed_by(claim_id) == tuple(created[:2])
    assert store.claimed_by(uuid4()) is None
