"""Lock order: agents' rows by id, then tickets' rows. Whoever waits for an agent must not sit on a ticket meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from scripts.waiting import wait_until
from service.bootstrap import Container
from service.domain.model import Priority
from service.store.assignments import PostgresAssignments
from service.store.engine import make_engine
from service.usecases.bulk import Assignment, Seen
from service.usecases.desk import Act
from service.usecases.lifecycle import Sale
from service.usecases.ports.people import AgentChanges
from service.usecases.ports.tickets import Buyer, TicketChanges

Make = Callable[..., int]
MakeMany = Callable[..., list[int]]

LOCK_AGENT = text("SELECT 1 FROM agents WHERE id = :id FOR NO KEY UPDATE")
IS_FREE = "SELECT 1 FROM {table} WHERE id = :id FOR UPDATE NOWAIT"
WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")

TAKEN_BACK = text("""
INSERT INTO ticket_events (ticket_id, cause, from_status, to_status, agent_id, epoch)
VALUES (:ticket, 'hold_limit', 'assigned', 'open', :agent, 0)
""")

ANN, BOB, HELD, OPEN = 1, 2, 1, 6
"""The agents, a ticket that Bob holds, and one that was taken back from him."""

ACTS: dict[str, tuple[int, int, Callable[[Container], object]]] = {
    "fetch": (BOB, OPEN, lambda made: made.assignments.fetch(BOB)),
    "assign": (BOB, OPEN, lambda made: made.lifecycle.assign(OPEN, agent_id=BOB, actor_id=None)),
    "release": (BOB, HELD, lambda made: made.lifecycle.release(BOB, HELD, reason="lunch")),
    "return": (BOB, HELD, lambda made: made.lifecycle.return_one(HELD, actor_id=None)),
    "return all": (BOB, HELD, lambda made: made.assignments.return_all(BOB, actor_id=None)),
    "start": (BOB, HELD, lambda made: made.lifecycle.start(BOB, HELD)),
    "sell": (BOB, HELD, lambda made: made.lifecycle.sell(BOB, HELD, Buyer(name="Kim", email="kim@example.com"))),
    "sell several": (BOB, HELD, lambda made: made.lifecycle.sell_many(BOB, [Sale(HELD, None), Sale(HELD + 1, None)])),
    "work several": (BOB, HELD, lambda made: made.desks.work(BOB, Act.RESOLVE, [HELD, OPEN])),
    "return several": (BOB, HELD, lambda made: made.bulk.put_back([Seen(HELD), Seen(HELD + 1)], actor_id=None)),
    "reassign several": (ANN, HELD, lambda made: made.bulk.assign([Assignment(HELD, ANN)], actor_id=None)),
    "sell late": (BOB, OPEN, lambda made: made.lifecycle.sell(BOB, OPEN, Buyer(name="Kim", email="kim@example.com"))),
    "resolve late": (BOB, OPEN, lambda made: made.lifecycle.resolve(BOB, OPEN)),
    "delete": (BOB, HELD, lambda made: made.tickets.delete(HELD, actor_id=None)),
    "change": (BOB, HELD, lambda made: made.tickets.update(HELD, TicketChanges(priority=Priority.LOW), actor_id=None)),
    "deactivate": (BOB, HELD, lambda made: made.agents.update(BOB, AgentChanges(is_active=False), actor_id=None)),
    "remove agent": (BOB, HELD, lambda made: made.agents.delete(BOB, actor_id=None)),
    "return all, tried": (BOB, HELD, lambda made: made.assignments.return_all(BOB, actor_id=None, dry_run=True)),
    "reassign all": (ANN, HELD, lambda made: made.bulk.reassign_all(BOB, to_agent_id=ANN, actor_id=None)),
    "reassign all, tried": (
        ANN,
        HELD,
        lambda made: made.bulk.reassign_all(BOB, to_agent_id=ANN, actor_id=None, dry_run=True),
    ),
    "reassign": (ANN, HELD, lambda made: made.lifecycle.assign(HELD, agent_id=ANN, actor_id=None)),
}


@pytest.fixture
def made(container: Container, engine: Engine, make_agent: Make, make_tickets: MakeMany) -> Container:
    assert (make_agent("ann"), make_agent("bob")) == (ANN, BOB)
    make_tickets(10)
    container.assignments.fetch(BOB, limit=OPEN - 1)
    with engine.begin() as connection:
        connection.execute(TAKEN_BACK, {"ticket": OPEN, "agent": BOB})
    return container


@contextmanager
def waiting_for_agent(engine: Engine, agent_id: int, act: Callable[[], object]) -> Iterator[None]:
    """Start `act` while somebody has the agent's row, and let it go on afterwards; it must succeed."""
    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as other:
            other.execute(LOCK_AGENT, {"id": agent_id})
            acting = pool.submit(act)
            with engine.connect() as connection:
                assert wait_until(lambda: _waiters(connection) > 0, 10)
                assert not acting.done()
            yield
        acting.result()


def _waiters(connection) -> int:  # type: ignore[no-untyped-def]
    count = connection.execute(WAITING).scalar_one()
    connection.rollback()
    return int(count)


@pytest.mark.parametrize("name", ACTS)
def test_no_ticket_is_locked_before_its_agent(made: Container, engine: Engine, name: str) -> None:
    agent_id, ticket_id, act = ACTS[name]
    with waiting_for_agent(engine, agent_id, lambda: act(made)), engine.connect() as connection:
        connection.execute(text(IS_FREE.format(table="tickets")), {"id": ticket_id})


@pytest.mark.parametrize("name", ["reassign", "reassign several", "reassign all", "reassign all, tried"])
def test_agents_are_locked_in_the_order_of_their_ids(made: Container, engine: Engine, name: str) -> None:
    """Bob's ticket goes to Ann: while her row, the first, is with somebody else, Bob's is left alone."""
    _, _, to_ann = ACTS[name]
    with waiting_for_agent(engine, ANN, lambda: to_ann(made)), engine.connect() as connection:
        connection.execute(text(IS_FREE.format(table="agents")), {"id": BOB})


def test_a_rehearsal_waits_for_no_third_agent(made: Container, engine: Engine, make_agent: Make) -> None:
    """While it waits for Ann, one of Bob's tickets goes to Cleo, whose row it would have to lock out of turn."""
    cleo, gone = make_agent("cleo"), HELD + 1
    with ThreadPoolExecutor(1) as pool, engine.begin() as with_cleo:
        with engine.begin() as with_ann:
            with_ann.execute(LOCK_AGENT, {"id": ANN})
            trying = pool.submit(made.bulk.reassign_all, BOB, to_agent_id=ANN, actor_id=None, dry_run=True)
            with engine.connect() as connection:
                assert wait_until(lambda: _waiters(connection) > 0, 10)
            made.lifecycle.assign(gone, agent_id=cleo, actor_id=None)
            with_cleo.execute(LOCK_AGENT, {"id": cleo})
        results = trying.result()
    assert [result.ticket_id for result in results if result.error] == [gone]


def test_without_a_queue_nobody_waits_for_tickets_that_others_are_taking(
    engine: Engine, database_url: str, make_agent: Make, make_tickets: MakeMany
) -> None:
    agent, created = make_agent(), make_tickets(10, enqueue=False)
    impatient = make_engine(database_url, statement_timeout_ms=2_000, pool_size=1, application_name="fairdeal-tests")
    with engine.begin() as other:
        other.execute(text("SELECT 1 FROM tickets WHERE id = ANY (:ids) FOR NO KEY UPDATE"), {"ids": created[:4]})
        verdict = PostgresAssignments(impatient).claim_oldest(claim_id=uuid4(), agent_id=agent, limit=3)
    impatient.dispose()
    assert [ticket.id for ticket in verdict.assigned] == created[4:7]
