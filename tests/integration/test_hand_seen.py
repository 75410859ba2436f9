"""The hand that is read when a request is let in, and the one that the arbiter tells: each is what PostgreSQL has."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from service.domain.model import Availability, HandSeen, Priority, QueuedTicket
from service.store import openings
from service.store.assignments import PostgresAssignments
from service.store.places import PostgresPlaces
from service.store.sessions import PostgresSessions
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.assignments import Assignments
from tests.integration.waiting import wait_until_blocked

Make = Callable[..., int]
MakeMany = Callable[..., list[int]]

SESSION = """
INSERT INTO sessions (id, user_id, refresh_jti, expires_at)
VALUES (:id, :user_id, gen_random_uuid(), now() + interval '1 hour')
"""
GIVE_BACK = "UPDATE tickets SET status = 'open', agent_id = NULL, epoch = epoch + 1 WHERE id = :id"
TAKE = "UPDATE tickets SET status = 'assigned', agent_id = :agent, epoch = epoch + 1 WHERE id = :id"


def run(engine: Engine, sql: str, **values: object) -> None:
    with engine.begin() as connection:
        connection.execute(text(sql), values)


def seen_by(engine: Engine, user_id: int) -> HandSeen | None:
    """Sign somebody in, and see what a request of theirs begins with."""
    session_id = uuid4()
    run(engine, SESSION, id=session_id, user_id=user_id)
    found = PostgresSessions(engine).principal_and_hand(session_id)
    assert found is not None
    assert found[0].user_id == user_id
    assert found[0].session_id == session_id
    return found[1]


def popped(ids: list[int]) -> list[QueuedTicket]:
    return [QueuedTicket(ticket_id, Priority.MEDIUM) for ticket_id in ids]


@pytest.fixture
def store(engine: Engine) -> PostgresAssignments:
    return PostgresAssignments(engine)


def claim(store: PostgresAssignments, agent: int, ids: list[int], *, claim_id: UUID | None = None) -> Any:
    return store.claim(claim_id=claim_id or uuid4(), agent_id=agent, popped=popped(ids), limit=15)


def test_a_request_begins_with_the_agent_and_the_hand(
    engine: Engine, store: PostgresAssignments, make_agent: Make, make_tickets: MakeMany
) -> None:
    ann, bob = make_agent("ann", level="senior", capacity=9), make_agent("bob")
    ids = make_tickets(8, enqueue=False)
    claim(store, ann, [ids[3], ids[0], ids[5], ids[6]])
    claim(store, bob, [ids[1]])
    run(engine, "UPDATE tickets SET status = 'in_progress' WHERE id = :id", id=ids[3])
    run(engine, "UPDATE tickets SET status = 'resolved', resolved_at = now() WHERE id = :id", id=ids[5])
    run(engine, "UPDATE tickets SET deleted_at = now() WHERE id = :id", id=ids[6])
    seen = seen_by(engine, ann)
    assert seen is not None
    assert list(seen.tickets) == store.hand(ann)
    assert [ticket.id for ticket in seen.tickets] == [ids[0], ids[3]]
    profile = store.agent(ann)
    assert profile is not None
    for name in ("id", "level", "availability", "is_active", "capacity", "held"):
        assert getattr(seen.agent, name) == getattr(profile, name), name


def test_the_hand_is_no_older_than_the_moment_it_names(
    engine: Engine, make_agent: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []
    read = openings.OPENING.rows

    def rows(*args: Any) -> Any:
        asked.append(time.monotonic())
        return read(*args)

    monkeypatch.setattr(openings, "OPENING", SimpleNamespace(rows=rows))
    began = time.monotonic()
    seen = seen_by(engine, make_agent("ann"))
    assert seen is not None
    assert began <= seen.asked_at <= asked[0]


def test_an_agent_away_is_seen_as_away_and_an_empty_hand_as_empty(engine: Engine, make_agent: Make) -> None:
    seen = seen_by(engine, make_agent("ann", availability="away"))
    assert seen is not None
    assert (seen.agent.availability, seen.tickets, seen.agent.held) == (Availability.AWAY, (), 0)


@pytest.mark.parametrize("role", ["admin", "operator"])
def test_whoever_is_no_agent_holds_nothing(engine: Engine, make_user: Make, role: str) -> None:
    assert seen_by(engine, make_user("olga", role=role)) is None


def test_whoever_is_no_agent_any_more_holds_nothing(engine: Engine, make_agent: Make) -> None:
    ann = make_agent("ann")
    run(engine, "UPDATE users SET role = 'admin' WHERE id = :id", id=ann)
    assert seen_by(engine, ann) is None


def test_the_arbiter_tells_the_whole_hand(store: PostgresAssignments, make_agent: Make, make_tickets: MakeMany) -> None:
    ann, ids = make_agent("ann"), make_tickets(20, enqueue=False)
    for taken in (ids[4:8], ids[0:3], [ids[1]], ids[8:20]):
        verdict = claim(store, ann, taken)
        assert list(verdict.hand) == store.hand(ann)
    assert len(verdict.hand) == 15
    bob = make_agent("bob")
    assert claim(store, bob, ids[:2]).hand == (), "all refused, nothing held"
    without_queue = store.claim_oldest(claim_id=uuid4(), agent_id=bob, limit=15)
    assert list(without_queue.hand or ()) == store.hand(bob)
    assert without_queue.hand


@pytest.mark.parametrize("change", ["a ticket goes", "a ticket comes", "one for another"])
def test_no_hand_is_told_where_it_changed_while_the_lock_was_waited_for(
    engine: Engine, store: PostgresAssignments, make_agent: Make, make_tickets: MakeMany, change: str
) -> None:
    """The statement's snapshot is older than the lock then, and shows a hand that nobody holds any more."""
    ann, ids = make_agent("ann"), make_tickets(6, enqueue=False)
    claim(store, ann, ids[:2])
    with ThreadPoolExecutor(1) as pool, engine.connect() as other, other.begin():
        if change != "a ticket comes":
            other.execute(text(GIVE_BACK), {"id": ids[0]})
        if change != "a ticket goes":
            other.execute(text(TAKE), {"id": ids[5], "agent": ann})
        claiming = pool.submit(claim, store, ann, ids[2:4])
        wait_until_blocked(engine, claiming)
        other.commit()
        verdict = claiming.result()
    assert [ticket.id for ticket in verdict.assigned] == ids[2:4]
    assert verdict.hand is None


def fetching(engine: Engine, queue: RedisTicketQueue) -> Assignments:
    return Assignments(store=PostgresAssignments(engine), queue=queue, places=PostgresPlaces(engine))


def test_a_full_hand_and_an_empty_queue_are_answered_from_what_was_seen(
    engine: Engine, queue: RedisTicketQueue, make_agent: Make, make_tickets: MakeMany
) -> None:
    ann, bob = make_agent("ann"), make_agent("bob")
    make_tickets(15)
    subject = fetching(engine, queue)
    full = subject.fetch(ann, seen=seen_by(engine, ann))
    assert (full.held, full.assigned_now) == (15, 15)
    again = subject.fetch(ann, seen=seen_by(engine, ann))
    assert (again.tickets, again.held, again.capacity, again.assigned_now) == (full.tickets, 15, 15, 0)
    none = subject.fetch(bob, seen=seen_by(engine, bob))
    assert (none.tickets, none.held, none.capacity, none.served_by) == ((), 0, 15, "queue")


def test_what_another_fetch_of_the_agent_took_meanwhile_is_answered(
    engine: Engine, queue: RedisTicketQueue, store: PostgresAssignments, make_agent: Make, make_tickets: MakeMany
) -> None:
    """The held set is full before the hand that was seen is: then the hand is read once more."""
    ann, ids = make_agent("ann"), make_tickets(15)
    seen = seen_by(engine, ann)
    assert seen is not None
    queue.claim(claim_id=uuid4(), agent_id=ann, wanted=15, capacity=15, priorities=(Priority.MEDIUM,))
    claim(store, ann, ids)
    answered = fetching(engine, queue).fetch(ann, seen=seen)
    assert [ticket.id for ticket in answered.tickets] == ids
    assert answered.held == 15
