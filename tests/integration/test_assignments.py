"""Fetching on real PostgreSQL and a real queue: order, cap, eligibility, and a Redis that is away or wrong."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest
from redis import Redis
from sqlalchemy import Engine, text

from service.domain.errors import AgentAway, AgentInactive, InvalidInput, NotFound, QueueUnavailable, StoreUnavailable
from service.domain.model import Priority, QueuedTicket
from service.store.assignments import PostgresAssignments
from service.store.places import PostgresPlaces
from service.ticket_queue.client import make_client
from service.ticket_queue.keys import Keys
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.assignments import Assignments, Hand
from service.usecases.ports.queue import Popped, TicketQueue
from service.usecases.ports.tickets import Claimed
from tests.fakes.queue import MemoryTicketQueue

Make = Callable[..., int]
MakeMany = Callable[..., list[int]]


@pytest.fixture
def store(engine: Engine) -> PostgresAssignments:
    return PostgresAssignments(engine)


def serving(store: PostgresAssignments, queue: TicketQueue) -> Assignments:
    return Assignments(store=store, queue=queue, places=PostgresPlaces(store._engine))


@pytest.fixture
def assignments(store: PostgresAssignments, queue: RedisTicketQueue) -> Assignments:
    return serving(store, queue)


def ids(hand: Hand) -> list[int]:
    return [ticket.id for ticket in hand.tickets]


def execute(engine: Engine, statement: str, **values: object) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement), values)


def test_fetch_tops_up_to_fifteen_oldest_first(
    assignments: Assignments, make_agent: Make, make_tickets: MakeMany
) -> None:
    agent, created = make_agent(), make_tickets(40)
    hand = assignments.fetch(agent)
    assert ids(hand) == created[:15]
    assert (hand.held, hand.capacity, hand.assigned_now, hand.served_by) == (15, 15, 15, "queue")


def test_fetching_again_changes_nothing(assignments: Assignments, make_agent: Make, make_tickets: MakeMany) -> None:
    agent = make_agent()
    make_tickets(40)
    first = assignments.fetch(agent)
    again = assignments.fetch(agent)
    assert ids(again) == ids(first)
    assert again.assigned_now == 0


def test_fetch_skips_tickets_of_other_agents(
    assignments: Assignments, make_agent: Make, make_tickets: MakeMany
) -> None:
    ann, bob, created = make_agent("ann"), make_agent("bob"), make_tickets(40)
    assignments.fetch(ann)
    assert ids(assignments.fetch(bob)) == created[15:30]


def test_a_limit_takes_fewer(assignments: Assignments, make_agent: Make, make_tickets: MakeMany) -> None:
    agent, created = make_agent(), make_tickets(40)
    assert ids(assignments.fetch(agent, limit=2)) == created[:2]
    assert ids(assignments.fetch(agent, limit=3)) == created[:5]


@pytest.mark.parametrize("limit", [0, 16, -1])
def test_a_limit_out_of_range_is_refused(assignments: Assignments, make_agent: Make, limit: int) -> None:
    with pytest.raises(InvalidInput, match="between 1 and 15"):
        assignments.fetch(make_agent(), limit=limit)


def test_a_junior_is_never_dealt_high(assignments: Assignments, make_agent: Make, make_tickets: MakeMany) -> None:
    make_tickets(3, "high")
    medium, low = make_tickets(3), make_tickets(2, "low")
    assert sorted(ids(assignments.fetch(make_agent()))) == sorted(medium + low)


def test_a_senior_is_dealt_high_first(assignments: Assignments, make_agent: Make, make_tickets: MakeMany) -> None:
    make_tickets(3)
    high = make_tickets(3, "high")
    assert ids(assignments.fetch(make_agent(level="senior"), limit=3)) == high


def test_an_away_agent_gets_nothing_and_loses_nothing_from_the_queue(
    assignments: Assignments, engine: Engine, make_agent: Make, make_tickets: MakeMany, queue: RedisTicketQueue
) -> None:
    agent = make_agent(availability="away")
    make_tickets(5)
    with pytest.raises(AgentAway):
        assignments.fetch(agent)
    assert queue.depths()[Priority.MEDIUM] == 5


def test_a_deactivated_agent_gets_nothing(assignments: Assignments, make_agent: Make, make_tickets: MakeMany) -> None:
    agent = make_agent(is_active=False)
    make_tickets(5)
    with pytest.raises(AgentInactive):
        assignments.fetch(agent)


def test_nobody_unknown_fetches(assignments: Assignments) -> None:
    with pytest.raises(NotFound):
        assignments.fetch(4711)


@pytest.mark.parametrize(("change", "error"), [("availability = 'away'", AgentAway), ("capacity = 15", None)])
def test_the_arbiter_decides_what_the_early_look_missed(
    store: PostgresAssignments,
    engine: Engine,
    make_agent: Make,
    make_tickets: MakeMany,
    queue: RedisTicketQueue,
    redis_client: Redis,
    keys: Keys,
    change: str,
    error: type[Exception] | None,
) -> None:
    agent, created = make_agent(), make_tickets(5)

    class ChangesAfterPop(RedisTicketQueue):
        def claim(self, **asked: object) -> Popped:  # type: ignore[override]
            popped = super().claim(**asked)  # type: ignore[arg-type]
            execute(engine, f"UPDATE agents SET {change} WHERE id = :id", id=agent)
            return popped

    subject = serving(store, ChangesAfterPop(redis_client, keys))
    if error is None:
        assert ids(subject.fetch(agent)) == created
    else:
        with pytest.raises(error):
            subject.fetch(agent)
        assert queue.depths()[Priority.MEDIUM] == 5, "what was popped is back"


def test_history_and_epoch_of_an_assignment(
    assignments: Assignments, engine: Engine, make_agent: Make, make_tickets: MakeMany
) -> None:
    agent = make_agent()
    make_tickets(1)
    [ticket] = assignments.fetch(agent).tickets
    assert ticket.epoch == 1
    assert ticket.assigned_at is not None
    with engine.connect() as connection:
        [event] = connection.execute(text("SELECT * FROM ticket_events")).all()
        [claim] = connection.execute(text("SELECT * FROM claims")).all()
    assert (event.cause, event.from_status, event.to_status, event.agent_id, event.epoch) == (
        "fetch",
        "open",
        "assigned",
        agent,
        1,
    )
    assert (claim.agent_id, claim.ticket_ids) == (agent, [ticket.id])


def test_phantoms_are_dropped_and_the_hand_is_still_filled(
    assignments: Assignments, make_agent: Make, make_tickets: MakeMany, queue: RedisTicketQueue
) -> None:
    ann, bob = make_agent("ann"), make_agent("bob")
    created = make_tickets(40)
    assignments.fetch(ann)
    queue.enqueue([QueuedTicket(ticket_id, Priority.MEDIUM) for ticket_id in [*created[:10], 10**12]])
    assert ids(assignments.fetch(bob)) == created[15:30]
    assert len(ids(assignments.held(ann))) == 15


def test_a_queue_of_nothing_but_phantoms_gives_way_to_the_database(
    assignments: Assignments, make_agent: Make, make_tickets: MakeMany, queue: RedisTicketQueue
) -> None:
    agent, created = make_agent(), make_tickets(5, enqueue=False)
    queue.enqueue([QueuedTicket(ticket_id, Priority.MEDIUM) for ticket_id in range(10**6, 10**6 + 100)])
    hand = assignments.fetch(agent)
    assert (ids(hand), hand.served_by) == (created, "database")


def test_what_does_not_fit_is_cut_and_not_refused(
    store: PostgresAssignments, make_agent: Make, make_tickets: MakeMany, queue: RedisTicketQueue, redis_client: Redis,
    keys: Keys,
) -> None:  # fmt: skip
    agent, created = make_agent(), make_tickets(30)
    assert ids(serving(store, queue).fetch(agent, limit=5)) == created[:5]
    redis_client.delete(keys.held(agent))  # Redis now believes in an empty hand
    popped = queue.claim(claim_id=uuid4(), agent_id=agent, wanted=15, capacity=15, priorities=(Priority.MEDIUM,))
    verdict = store.claim(claim_id=popped.claim_id, agent_id=agent, popped=popped.tickets, limit=15)
    assert [ticket.id for ticket in verdict.assigned] == created[5:15]
    assert [ticket.id for ticket in verdict.cut] == created[15:20]
    assert verdict.refused == ()


def test_a_flushed_redis_serves_from_the_database_in_the_same_order(
    assignments: Assignments, make_agent: Make, make_tickets: MakeMany, redis_client: Redis
) -> None:
    ann, bob, created = make_agent("ann"), make_agent("bob"), make_tickets(40)
    assignments.fetch(ann)
    redis_client.flushdb()
    hand = assignments.fetch(bob)
    assert (ids(hand), hand.served_by) == (created[15:30], "database")


def test_a_dead_redis_serves_from_the_database(
    store: PostgresAssignments, make_agent: Make, make_tickets: MakeMany, keys: Keys
) -> None:
    nobody = RedisTicketQueue(make_client("redis://127.0.0.1:1/0", timeout_ms=200), keys)
    ann, bob = make_agent("ann"), make_agent("bob", level="senior")
    medium, high = make_tickets(20), make_tickets(3, "high")
    subject = serving(store, nobody)
    assert ids(subject.fetch(ann)) == medium[:15]
    assert ids(subject.fetch(bob)) == medium[15:] + high
    assert ids(subject.fetch(ann)) == medium[:15]


def test_a_held_set_that_lies_costs_no_ticket(
    assignments: Assignments, make_agent: Make, make_tickets: MakeMany, queue: RedisTicketQueue
) -> None:
    agent, created = make_agent(), make_tickets(20)
    queue.hold(agent, range(10**6, 10**6 + 15))
    hand = assignments.fetch(agent)
    assert (ids(hand), hand.served_by) == (created[:15], "queue")
    assert queue.hand(agent).settled == set(created[:15])


def test_a_second_fetch_of_the_same_agent_waits_for_nobody_and_takes_nothing(
    assignments: Assignments, make_agent: Make, make_tickets: MakeMany, queue: RedisTicketQueue
) -> None:
    agent = make_agent()
    make_tickets(40)
    queue.claim(claim_id=uuid4(), agent_id=agent, wanted=15, capacity=15, priorities=(Priority.MEDIUM,))  # in flight
    hand = assignments.fetch(agent)
    assert (hand.held, hand.assigned_now) == (0, 0)
    assert queue.depths()[Priority.MEDIUM] == 25


class _LosesConnection(PostgresAssignments):
    """Claim for real, or not at all, and then lose the connection before the answer."""

    commits = True

    def claim(self, **asked: object) -> Claimed:  # type: ignore[override]
        if self.commits:
            super().claim(**asked)  # type: ignore[arg-type]
        raise StoreUnavailable("gone")


def test_a_commit_whose_answer_was_lost_is_found_by_claim_id(
    engine: Engine, make_agent: Make, make_tickets: MakeMany, queue: RedisTicketQueue, redis_client: Redis, keys: Keys
) -> None:
    agent, created = make_agent(), make_tickets(20)
    hand = serving(_LosesConnection(engine), queue).fetch(agent)
    assert (ids(hand), hand.assigned_now) == (created[:15], 15)
    assert redis_client.zcard(keys.claims) == 0


def test_a_claim_of_unknown_fate_stays_in_the_ledger(
    engine: Engine, make_agent: Make, make_tickets: MakeMany, queue: RedisTicketQueue, redis_client: Redis, keys: Keys
) -> None:
    agent = make_agent()
    make_tickets(20)
    store = _LosesConnection(engine)
    store.commits = False
    with pytest.raises(StoreUnavailable, match="fetch again"):
        serving(store, queue).fetch(agent)
    assert redis_client.zcard(keys.claims) == 1


def test_a_queue_that_dies_before_settling_does_not_fail_the_fetch(
    store: PostgresAssignments, make_agent: Make, make_tickets: MakeMany
) -> None:
    class DiesAfterClaim(MemoryTicketQueue):
        def settle(self, *_: object, **__: object) -> None:
            raise QueueUnavailable("gone")

    agent, created = make_agent(), make_tickets(3, enqueue=False)
    queue = DiesAfterClaim()
    queue.enqueue([QueuedTicket(ticket_id, Priority.MEDIUM) for ticket_id in created])
    assert ids(serving(store, queue).fetch(agent)) == created


def test_giving_everything_back_restores_the_order(
    assignments: Assignments, make_agent: Make, make_tickets: MakeMany
) -> None:
    ann, bob, created = make_agent("ann"), make_agent("bob"), make_tickets(30)
    assignments.fetch(ann)
    assert len(assignments.return_all(ann, actor_id=None)) == 15
    assert assignments.held(ann).held == 0
    assert ids(assignments.fetch(bob)) == created[:15]
