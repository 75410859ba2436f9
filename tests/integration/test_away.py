"""Tickets that lie untouched with agents who are away, on real PostgreSQL and a real queue."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import Engine, text

from service.domain.model import Availability, Cause
from service.store.away import PostgresAway
from service.store.engine import transaction
from service.store.places import PostgresPlaces
from service.ticket_queue.keys import Keys
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.away import AwayReturns, pause_s
from service.usecases.ports.away import LongAway
from tests.integration.desk import Desk, Make, MakeMany, as_decided, as_hinted
from tests.integration.waiting import wait_until_blocked

GRACE_S = 900


@pytest.fixture
def desk(engine: Engine, queue: RedisTicketQueue) -> Desk:
    return Desk(engine, queue)


@pytest.fixture
def ann(make_agent: Make) -> int:
    return make_agent("ann")


@pytest.fixture
def returns(engine: Engine, queue: RedisTicketQueue) -> Callable[..., AwayReturns]:
    def make(grace_s: int = GRACE_S) -> AwayReturns:
        return AwayReturns(store=PostgresAway(engine), queue=queue, places=PostgresPlaces(engine), grace_s=grace_s)

    return make


def leave(desk: Desk, engine: Engine, agent_id: int, *, ago_s: int) -> None:
    """Let an agent go away, as if so long ago."""
    desk.agents.set_availability(agent_id, Availability.AWAY)
    change = text("UPDATE agents SET away_since = away_since - :ago_s * interval '1 second' WHERE id = :id")
    with engine.begin() as connection:
        connection.execute(change, {"id": agent_id, "ago_s": ago_s})


def away_since(engine: Engine, agent_id: int) -> Any:
    with engine.connect() as connection:
        return connection.execute(text("SELECT away_since FROM agents WHERE id = :id"), {"id": agent_id}).scalar_one()


def test_what_was_not_begun_goes_back_to_its_place_and_what_was_begun_stays(
    desk: Desk, engine: Engine, ann: int, make_tickets: MakeMany, returns: Any, redis_client: Redis, keys: Keys
) -> None:
    tickets = make_tickets(17)
    desk.assignments.fetch(ann)
    desk.lifecycle.start(ann, tickets[1])
    leave(desk, engine, ann, ago_s=GRACE_S + 1)
    assert returns().run() == 14
    queues, hands = as_decided(engine)
    assert queues["medium"] == [tickets[0], *tickets[2:]]
    assert hands == {ann: [tickets[1]]}
    assert as_hinted(redis_client, keys) == (queues, hands)
    with engine.connect() as connection:
        query = text("SELECT from_status, to_status, agent_id, actor_id, note FROM ticket_events WHERE cause = :cause")
        events = connection.execute(query, {"cause": Cause.AWAY.value}).all()
    assert [tuple(event) for event in events] == [("assigned", "open", ann, None, "away for more than 900 s")] * 14
    assert returns().run() == 0


@pytest.mark.parametrize(("grace_s", "ago_s"), [(GRACE_S, GRACE_S - 60), (0, 10 * GRACE_S)])
def test_within_the_grace_or_without_one_everything_stays(
    desk: Desk, engine: Engine, ann: int, make_tickets: MakeMany, returns: Any, grace_s: int, ago_s: int
) -> None:
    make_tickets(3)
    desk.assignments.fetch(ann)
    leave(desk, engine, ann, ago_s=ago_s)
    assert returns(grace_s).run() == 0
    assert desk.assignments.held(ann).held == 3


def test_whoever_came_back_keeps_everything_and_begins_a_new_grace_by_leaving_again(
    desk: Desk, engine: Engine, ann: int, make_tickets: MakeMany, returns: Any
) -> None:
    make_tickets(3)
    desk.assignments.fetch(ann)
    leave(desk, engine, ann, ago_s=GRACE_S + 1)
    desk.agents.set_availability(ann, Availability.AVAILABLE)
    assert away_since(engine, ann) is None
    assert returns().run() == 0
    desk.agents.set_availability(ann, Availability.AWAY)
    assert returns().run() == 0
    assert desk.assignments.held(ann).held == 3


def test_saying_away_once_more_does_not_begin_anew(desk: Desk, engine: Engine, ann: int) -> None:
    leave(desk, engine, ann, ago_s=500)
    before = away_since(engine, ann)
    desk.agents.set_availability(ann, Availability.AWAY)
    assert away_since(engine, ann) == before


def test_who_begins_as_away_is_away_since_then(engine: Engine, make_agent: Make) -> None:
    assert away_since(engine, make_agent("zoe", availability="away")) is not None


def test_whoever_comes_back_at_the_last_moment_keeps_everything(
    desk: Desk, engine: Engine, ann: int, make_tickets: MakeMany
) -> None:
    """The agent was seen as away; their return commits while the row lock is waited for."""
    make_tickets(3)
    desk.assignments.fetch(ann)
    leave(desk, engine, ann, ago_s=GRACE_S + 1)
    store, away = PostgresAway(engine), LongAway(GRACE_S)
    assert store.holding_untouched(away) == [ann]
    with ThreadPoolExecutor(1) as pool:
        with transaction(engine) as connection:
            connection.execute(text("UPDATE agents SET availability = 'available' WHERE id = :id"), {"id": ann})
            returning = pool.submit(store.return_untouched, ann, away)
            wait_until_blocked(engine, returning)
        assert returning.result() == []
    assert desk.assignments.held(ann).held == 3


def test_agents_who_have_begun_everything_are_passed_over(
    desk: Desk, engine: Engine, ann: int, make_tickets: MakeMany
) -> None:
    (ticket,) = make_tickets(1)
    desk.assignments.fetch(ann)
    desk.lifecycle.start(ann, ticket)
    leave(desk, engine, ann, ago_s=GRACE_S + 1)
    assert PostgresAway(engine).holding_untouched(LongAway(GRACE_S)) == []


@pytest.mark.parametrize(("grace_s", "expected"), [(1, 1.0), (100, 10.0), (900, 60.0)])
def test_the_pause_between_two_looks_follows_the_grace(grace_s: int, expected: float) -> None:
    assert pause_s(grace_s) == expected
