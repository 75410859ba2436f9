"""Plans made while statistics say that nobody holds anything: a hand is found by its agent all the same."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from sqlalchemy import Engine, text

from service.domain.model import Priority, QueuedTicket
from service.store.assignments import PostgresAssignments
from service.store.openings import Openings
from tests.integration.explaining import explained

HOLD = text("""
UPDATE tickets SET status = 'assigned', agent_id = :agent_id, epoch = 1, assigned_at = now(), updated_at = now()
WHERE id > :after AND id <= :after + 15
""")
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
    with explained(engine) as plans:
        assert len(store.hand(agents[1])) == 15
        assert len(store.claim(claim_id=uuid4(), agent_id=agents[0], popped=popped, limit=15).assigned) == 15
        seen = Openings(engine).principal_and_hand(session)
    assert seen is not None
    assert seen[1] is not None
    assert len(seen[1].tickets) == 15
    used = [plan.indexes() for plan in plans]
    assert all("tickets_held_idx" in indexes for indexes in used), [plan.told() for plan in plans]
    assert not any("tickets_held_by_change_idx" in indexes for indexes in used)
