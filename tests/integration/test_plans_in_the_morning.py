"""Plans made while statistics say that nobody holds anything: a hand is found by its agent all the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from service.domain.model import Availability, Level, Priority, QueuedTicket, Taker
from service.store.assignments import PostgresAssignments
from service.store.engine import make_engine
from service.store.openings import OPENINGS, Openings
from service.usecases.ports.tickets import Supposed
from tests.integration.explaining import explained

HOLD = text("""
UPDATE tickets SET status = 'assigned', agent_id = :agent_id, epoch = 1, assigned_at = now(), updated_at = now()
WHERE id > :after AND id <= :after + 15
""")
CROWD = (
    "INSERT INTO users (username, role, password_hash) SELECT 'u' || n, 'agent', '!' FROM generate_series(1, 3000) n",
    "INSERT INTO agents (id) SELECT id FROM users",
    "INSERT INTO sessions (id, user_id, refresh_jti, expires_at)"
    " SELECT gen_random_uuid(), id, gen_random_uuid(), 'infinity' FROM users",
    "INSERT INTO tickets (subject) SELECT 'x' FROM generate_series(1, 5000)",
)
OPEN_SESSION = text("INSERT INTO sessions (id, user_id, refresh_jti, expires_at) VALUES (:id, :user, :id, 'infinity')")


def test_a_hand_is_found_by_its_agent_alone(engine: Engine, make_agent: Callable[..., int]) -> None:
    """Another index has all hands. To look one up there would cost a fetch more with everybody who has fetched."""
    agents, session = [make_agent(f"agent{n}") for n in range(40)], uuid4()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("INSERT INTO tickets (subject) SELECT 'x' FROM generate_series(1, 5000)"))
        connection.execute(text("VACUUM ANALYZE tickets"))
        for number, agent_id in enumerate(agents[1:]):
            connection.execute(HOLD, {"agent_id": agent_id, "after": 15 * number})
        connection.execute(OPEN_SESSION, {"id": session, "user": agents[1]})
    store, popped = PostgresAssignments(engine), [QueuedTicket(id_, Priority.MEDIUM) for id_ in range(4000, 4015)]
    ready = Taker(
        id=agents[1], level=Level.JUNIOR, availability=Availability.AVAILABLE, is_active=True, capacity=15, held=15
    )
    supposed = Supposed(session_id=session, agent=ready)
    with explained(engine) as plans:
        assert len(store.hand(agents[1])) == 15
        full = store.claim(claim_id=uuid4(), agent_id=agents[1], popped=popped, limit=15, supposed=supposed)
        assert (full.assigned, full.is_full) == ((), True)
        assert len(store.claim(claim_id=uuid4(), agent_id=agents[0], popped=popped, limit=15).assigned) == 15
        seen = Openings(engine).principal_and_hand(session)
        for number in range(1, 8):  # the plans of five calls, and then the one for all
            assert (
                len(OPENINGS.rows(engine, {"session_ids": f"{{{','.join([str(session)] * number)}}}"})) == 15 * number
            )
    assert seen is not None
    assert seen[1] is not None
    assert len(seen[1].tickets) == 15
    used = [plan.indexes() for plan in plans]
    assert all("tickets_held_idx" in indexes for indexes in used), [plan.told() for plan in plans]
    assert not any("tickets_held_by_change_idx" in indexes for indexes in used)
    assert not any("tickets" in plan.scanned() for plan in plans), [plan.told() for plan in plans]


@pytest.fixture
def fresh(engine: Engine, database_url: str) -> Iterator[Engine]:
    """One connection, which has planned nothing yet."""
    made = make_engine(database_url, statement_timeout_ms=60_000, pool_size=1, application_name="fairdeal-morning")
    yield made
    made.dispose()


@pytest.mark.parametrize("together", [1, 7])
def test_who_signs_in_in_the_morning_is_found_by_keys(fresh: Engine, together: int) -> None:
    """Statistics of an empty house. Five plans are made for their calls, and the sixth for all later ones."""
    with fresh.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE users, agents, sessions, tickets"))
        for statement in CROWD:
            connection.execute(text(statement))
        some = connection.execute(text("SELECT id::text FROM sessions LIMIT :n"), {"n": together}).scalars().all()
    with explained(fresh) as plans:
        for _ in range(7):
            assert len(OPENINGS.rows(fresh, {"session_ids": f"{{{','.join(some)}}}"})) == together
        assert Openings(fresh).principal_and_hand(UUID(some[0])) is not None
    assert len(plans) == 8
    for plan in plans:
        assert plan.scanned() == set(), plan.told()
        assert {"sessions_pkey", "users_pkey", "agents_pkey", "tickets_held_idx"} <= plan.indexes(), plan.told()
