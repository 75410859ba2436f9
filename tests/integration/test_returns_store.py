"""Everything an agent holds, given back at once, beside others who want the same rows."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, text

from service.domain.model import Cause, Priority, QueuedTicket
from service.store.engine import transaction
from service.store.returns import return_all

Make = Callable[..., int]
MakeMany = Callable[..., list[int]]

GIVE = text("UPDATE tickets SET status = 'assigned', agent_id = :agent, epoch = epoch + 1 WHERE id = ANY(:ids)")


@pytest.fixture
def ann(make_agent: Make) -> int:
    return make_agent("ann")


def give_back(engine: Engine, agent_id: int) -> list[QueuedTicket]:
    with transaction(engine) as connection:
        return return_all(connection, agent_id=agent_id, actor_id=None, cause=Cause.AWAY, note="gone home")


def test_the_hand_comes_back_in_creation_order(engine: Engine, ann: int, make_tickets: MakeMany) -> None:
    low, high = make_tickets(2, "low", enqueue=False), make_tickets(1, "high", enqueue=False)
    with transaction(engine) as connection:
        connection.execute(GIVE, {"agent": ann, "ids": high + low[::-1]})
    assert give_back(engine, ann) == [
        QueuedTicket(low[0], Priority.LOW),
        QueuedTicket(low[1], Priority.LOW),
        QueuedTicket(high[0], Priority.HIGH),
    ]
    with transaction(engine) as connection:
        history = connection.execute(text("SELECT cause, note, actor_id FROM ticket_events")).all()
    assert [tuple(row) for row in history] == [("away", "gone home", None)] * 3
    assert give_back(engine, ann) == []


@pytest.mark.parametrize("agent_id", [0, 999])
def test_nobody_gives_nothing_back(engine: Engine, agent_id: int) -> None:
    assert give_back(engine, agent_id) == []


def test_a_ticket_resolved_meanwhile_stays_with_its_agent(engine: Engine, ann: int, make_tickets: MakeMany) -> None:
    """Whoever works a ticket locks the agent first, then the ticket; another order here would be a deadlock."""
    ids = make_tickets(2, enqueue=False)
    with transaction(engine) as connection:
        connection.execute(GIVE, {"agent": ann, "ids": ids})
    with ThreadPoolExecutor(1) as pool:
        with transaction(engine) as connection:
            connection.execute(text("SELECT 1 FROM agents WHERE id = :id FOR NO KEY UPDATE"), {"id": ann})
            returning = pool.submit(give_back, engine, ann)
            _wait_until_blocked(engine)
            connection.execute(text("UPDATE tickets SET status = 'resolved' WHERE id = :id"), {"id": ids[0]})
        assert [ticket.id for ticket in returning.result()] == ids[1:]


def _wait_until_blocked(engine: Engine) -> None:
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not connection.execute(query).scalar_one():
            connection.execute(text("SELECT pg_sleep(0.01)"))
