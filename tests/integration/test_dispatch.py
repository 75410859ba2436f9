"""Dispatch on real PostgreSQL and a real queue: who gets what, and what becomes of it when things go wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import Engine, text

from service.bootstrap import Container
from service.domain.errors import Conflict
from service.domain.model import Availability, Priority
from service.store.leases import PostgresLeases
from service.ticket_queue.keys import Keys
from service.usecases.dispatch import LEASE, Dispatched, Dispatcher
from service.usecases.ports.dispatch import Ended
from service.usecases.ports.people import AgentChanges
from tests.fakes.queue import MemoryTicketQueue
from tests.integration.desk import as_decided, as_hinted
from tests.integration.dispatching import dispatcher, given

Make = Callable[..., int]
MakeMany = Callable[..., list[int]]


@pytest.fixture
def subject(engine: Engine, queue: Any) -> Dispatcher:
    return dispatcher(engine, queue)


def willing(make_agent: Make, name: str, **more: Any) -> int:
    return make_agent(name, auto_assign=True, **more)


def test_each_priority_goes_to_whom_it_may(subject: Dispatcher, make_agent: Make, make_tickets: MakeMany) -> None:
    high, medium, low = make_tickets(2, "high"), make_tickets(4), make_tickets(4, "low")
    senior = willing(make_agent, "sue", level="senior", capacity=5)
    junior = willing(make_agent, "jim", capacity=3)
    done = subject.run(trigger="test")
    assert given(done) == {senior: [*high, *medium[:3]], junior: [*low[:2], medium[3]]}
    assert done.ended is Ended.NOBODY


def test_high_tickets_stay_queued_where_there_is_no_senior(
    subject: Dispatcher, make_agent: Make, make_tickets: MakeMany, engine: Engine
) -> None:
    high = make_tickets(2, "high")
    willing(make_agent, "jim")
    make_agent("sue", level="senior")
    done = subject.run(trigger="test")
    assert (done.gifts, done.ended) == ((), Ended.NOBODY)
    assert as_decided(engine)[0]["high"] == high


def test_tickets_are_spread_over_the_least_loaded(
    subject: Dispatcher, make_agent: Make, make_tickets: MakeMany, container: Container
) -> None:
    ann, ben = willing(make_agent, "ann"), willing(make_agent, "ben")
    make_tickets(4)
    container.assignments.fetch(ann, limit=4)
    tickets = make_tickets(6)
    assert given(subject.run(trigger="test")) == {ben: tickets[:5], ann: tickets[5:]}


def test_of_equals_whoever_was_given_nothing_for_longest_comes_first(
    subject: Dispatcher, make_agent: Make, make_tickets: MakeMany, container: Container
) -> None:
    ann, ben, cid = (willing(make_agent, name) for name in ("ann", "ben", "cid"))
    for agent in (cid, ann, ben):
        (ticket,) = make_tickets(1)
        container.assignments.fetch(agent)
        container.lifecycle.resolve(agent, ticket)
    (ticket,) = make_tickets(1)
    assert given(subject.run(trigger="test")) == {cid: [ticket]}


@pytest.mark.parametrize(
    "state", [{"auto_assign": False}, {"availability": "away"}, {"is_active": False}], ids=lambda s: next(iter(s))
)
def test_who_does_not_take_part_is_given_nothing(
    subject: Dispatcher, make_agent: Make, make_tickets: MakeMany, state: dict[str, Any]
) -> None:
    make_tickets(3)
    make_agent("ann", **{"auto_assign": True, **state})
    done = subject.run(trigger="test")
    assert (done.gifts, done.ended) == ((), Ended.NOBODY)


def test_one_agent_s_share_is_one_transaction_with_its_cause(
    subject: Dispatcher, make_agent: Make, make_tickets: MakeMany, engine: Engine
) -> None:
    make_tickets(3, "high")
    make_tickets(3)
    ann = willing(make_agent, "ann", level="senior")
    assert sum(map(len, given(subject.run(trigger="test")).values())) == 6
    query = text("SELECT DISTINCT xact, agent_id, actor_id FROM ticket_events WHERE cause = 'dispatch'")
    with engine.connect() as connection:
        ((_, agent_id, actor_id),) = connection.execute(query).all()
    assert (agent_id, actor_id) == (ann, None)


@pytest.mark.parametrize("lie", ["flushed", "phantoms", "empty hand"])
def test_what_redis_says_wrongly_costs_nobody_a_ticket(
    subject: Dispatcher, make_agent: Make, make_tickets: MakeMany, redis_client: Redis, keys: Keys, lie: str
) -> None:
    tickets = make_tickets(10)
    ann, ben = willing(make_agent, "ann"), willing(make_agent, "ben")
    if lie == "flushed":
        redis_client.flushdb()
    elif lie == "phantoms":
        redis_client.lpush(keys.queue(Priority.MEDIUM), *range(9_000, 9_100))
    else:
        redis_client.sadd(keys.held(ann), *range(9_000, 9_015))
    done = given(subject.run(trigger="test"))
    assert sorted(done[ann] + done[ben]) == tickets
    assert len(done[ann]) == len(done[ben]) == 5


def test_a_redis_that_is_away_costs_nobody_a_ticket(engine: Engine, make_agent: Make, make_tickets: MakeMany) -> None:
    high, medium = make_tickets(2, "high"), make_tickets(2)
    ann = willing(make_agent, "ann", level="senior", capacity=3)
    queue = MemoryTicketQueue()
    queue.is_down = True
    assert given(dispatcher(engine, queue).run(trigger="test")) == {ann: [*high, medium[0]]}


class Leaving:
    """A store that lets somebody change between the plan and the arbiter's word."""

    def __init__(self, store: Any, change: Callable[[int], None]) -> None:
        self._store = store
        self._change = change

    def claim(self, **asked: Any) -> Any:
        change, self._change = self._change, lambda _: None
        change(asked["agent_id"])
        return self._store.claim(**asked)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@pytest.mark.parametrize(
    "change",
    [
        AgentChanges(availability=Availability.AWAY),
        AgentChanges(is_active=False),
        AgentChanges(auto_assign=False),
    ],
    ids=["away", "inactive", "not willing"],
)
def test_who_leaves_after_the_pop_is_given_nothing_and_somebody_else_gets_it(
    engine: Engine,
    queue: Any,
    make_agent: Make,
    make_tickets: MakeMany,
    container: Container,
    redis_client: Redis,
    keys: Keys,
    change: AgentChanges,
) -> None:
    tickets = make_tickets(4)
    ann, ben = willing(make_agent, "ann"), willing(make_agent, "ben", capacity=3)

    def leave(agent_id: int) -> None:
        assert agent_id == ann
        container.agents.update(agent_id, change, actor_id=None)

    done = dispatcher(engine, queue, wrap=lambda store: Leaving(store, leave)).run(trigger="test")
    # Ben's share of the first round was planned with Ann in mind; the next one gives him what she could not have.
    assert sorted(given(done)[ben]) != tickets
    assert sorted(given(done)[ben]) == sorted(as_decided(engine)[1][ben])
    assert len(given(done)[ben]) == 3
    assert done.refused == 1
    left = as_decided(engine)
    assert as_hinted(redis_client, keys) == left, "what was popped went back to its place"
    assert redis_client.zcard(keys.claims) == 0


def test_a_round_is_recorded_with_how_long_tickets_waited(
    subject: Dispatcher, make_agent: Make, make_tickets: MakeMany, container: Container, engine: Engine
) -> None:
    make_tickets(3)
    with engine.begin() as connection:
        connection.execute(text("UPDATE tickets SET created_at = now() - interval '100 seconds' WHERE id = 1"))
    willing(make_agent, "ann")
    subject.run(trigger="test")
    state = container.dispatch_report.read()
    (recorded,) = state.recent
    assert (recorded.run.dispatched, recorded.run.agents, recorded.run.ended) == (3, 1, Ended.NOTHING_WAITS)
    assert 100_000 <= recorded.run.waits.longest_ms < 200_000
    assert recorded.run.waits.total_ms < 200_000
    assert (state.last_day.dispatched, state.last_day.runs) == (3, 1)
    subject.run(trigger="test")
    assert len(container.dispatch_report.read().recent) == 1, "a run that did nothing leaves no trace"


def test_a_ticket_that_came_back_waited_since_then(
    subject: Dispatcher, make_agent: Make, make_tickets: MakeMany, container: Container, engine: Engine
) -> None:
    (ticket,) = make_tickets(1)
    with engine.begin() as connection:
        connection.execute(text("UPDATE tickets SET created_at = now() - interval '1 day'"))
    ann = willing(make_agent, "ann")
    container.assignments.fetch(ann)
    container.lifecycle.release(ann, ticket, reason="not mine")
    assert given(subject.run(trigger="test")) == {ann: [ticket]}
    assert container.dispatch_report.read().last_day.waits.longest_ms < 3_600_000


def test_a_preview_names_the_tickets_and_changes_nothing(
    subject: Dispatcher, make_agent: Make, make_tickets: MakeMany, engine: Engine
) -> None:
    tickets = make_tickets(5)
    ann, ben = willing(make_agent, "ann", capacity=2), willing(make_agent, "ben", capacity=2)
    before = as_decided(engine)
    foreseen = {gift.agent_id: list(gift.ticket_ids) for gift in subject.preview()}
    assert foreseen == {ann: tickets[:2], ben: tickets[2:4]}
    assert as_decided(engine) == before
    assert given(subject.run(trigger="test")) == foreseen


def test_a_second_run_waits_for_its_turn_and_gives_up_in_the_end(
    engine: Engine, queue: Any, make_agent: Make, make_tickets: MakeMany
) -> None:
    (ticket,) = make_tickets(1)
    ann = willing(make_agent, "ann")
    leases = PostgresLeases(engine)
    lease = leases.acquire(LEASE, holder="another", ttl_s=60)
    assert lease is not None
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            leases.release(lease)

    done: Dispatched = dispatcher(engine, queue, sleep=sleep).run(trigger="test")
    assert given(done) == {ann: [ticket]}
    assert len(waited) == 3
    assert leases.acquire(LEASE, holder="another", ttl_s=60) is not None
    with pytest.raises(Conflict):
        dispatcher(engine, queue).run(trigger="test")


def test_a_long_backlog_is_left_to_another_job_in_between(
    engine: Engine, queue: Any, make_agent: Make, make_tickets: MakeMany
) -> None:
    make_tickets(3)
    willing(make_agent, "ann")
    calls: list[str] = []
    done = dispatcher(engine, queue, calls=calls, tick_s=11.0).run(trigger="test")
    assert done.ended is Ended.OUT_OF_TIME
    assert calls == ["call"]


def test_a_share_keeps_its_limits_while_redis_is_away(engine: Engine, make_agent: Make, make_tickets: MakeMany) -> None:
    make_tickets(2, "high")
    make_tickets(2, "low")
    ann, ben = (willing(make_agent, name, level="senior") for name in ("ann", "ben"))
    queue = MemoryTicketQueue()
    queue.is_down = True
    assert given(dispatcher(engine, queue).run(trigger="test")) == {ann: [1, 3], ben: [2, 4]}
