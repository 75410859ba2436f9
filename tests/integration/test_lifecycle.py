"""Working tickets on real PostgreSQL and a real queue: every move guarded by state, holder and epoch."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis
from sqlalchemy import Engine, text

from service.domain.errors import (
    AgentAtCapacity,
    AgentAway,
    AgentInactive,
    FairdealError,
    IllegalMove,
    InvalidInput,
    NotFound,
    StaleEpoch,
)
from service.domain.model import Priority, Ticket, TicketStatus
from service.store.assignments import PostgresAssignments
from service.store.places import PostgresPlaces
from service.ticket_queue.keys import Keys
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.assignments import Assignments
from service.usecases.lifecycle import Lifecycle, Sale
from service.usecases.ports.tickets import Buyer

Make = Callable[..., int]
MakeMany = Callable[..., list[int]]
KIM = Buyer(name="Kim", email="kim@example.com")


@pytest.fixture
def assignments(engine: Engine, queue: RedisTicketQueue) -> Assignments:
    return Assignments(store=PostgresAssignments(engine), queue=queue, places=PostgresPlaces(engine))


@pytest.fixture
def lifecycle(engine: Engine, queue: RedisTicketQueue) -> Lifecycle:
    return Lifecycle(store=PostgresAssignments(engine), queue=queue, places=PostgresPlaces(engine))


@pytest.fixture
def agent(make_agent: Make) -> int:
    return make_agent()


@pytest.fixture
def hand(assignments: Assignments, agent: int, make_tickets: MakeMany) -> list[Ticket]:
    make_tickets(20)
    return list(assignments.fetch(agent).tickets)


@pytest.fixture
def queued(redis_client: Redis, keys: Keys) -> Callable[[], list[int]]:
    return lambda: [int(entry) for entry in redis_client.lrange(keys.queue(Priority.MEDIUM), 0, -1)]


def test_a_sale_is_final_carries_its_customer_and_frees_the_slot(
    lifecycle: Lifecycle, assignments: Assignments, agent: int, hand: list[Ticket]
) -> None:
    sold = lifecycle.sell(agent, hand[0].id, Buyer(name=" Kim ", email="KIM@Example.com"))
    assert (sold.status, sold.agent_id) == (TicketStatus.SOLD, agent)
    assert sold.customer_id is not None
    assert sold.sold_at is not None
    assert assignments.fetch(agent).assigned_now == 1
    for move in (lifecycle.start, lifecycle.resolve, lifecycle.close):
        with pytest.raises(IllegalMove, match="'sold'"):
            move(agent, sold.id)
    with pytest.raises(IllegalMove):
        lifecycle.reopen(sold.id, actor_id=None)


def test_repeating_a_sale_changes_nothing(lifecycle: Lifecycle, engine: Engine, agent: int, hand: list[Ticket]) -> None:
    first = lifecycle.sell(agent, hand[0].id, KIM)
    assert lifecycle.sell(agent, hand[0].id, KIM) == first
    with pytest.raises(IllegalMove):
        lifecycle.sell(agent, hand[0].id, Buyer(name="Lee", email="lee@example.com"))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM ticket_events WHERE cause = 'sell'")).scalar_one() == 1
        assert connection.execute(text("SELECT count(*) FROM customers")).scalar_one() == 1


def test_two_customers_at_once_one_sale(lifecycle: Lifecycle, agent: int, hand: list[Ticket]) -> None:
    def sell(n: int) -> bool:
        try:
            lifecycle.sell(agent, hand[0].id, Buyer(name="Kim", email=f"kim{n}@example.com"))
        except IllegalMove:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(sell, range(8))) == 1


def test_nobody_sells_what_is_not_theirs(
    lifecycle: Lifecycle, agent: int, hand: list[Ticket], make_agent: Make
) -> None:
    other = make_agent("bob")
    for ticket_id in (hand[0].id, 20, 10**6, 2**70, 0, -1):
        with pytest.raises(NotFound):
            lifecycle.sell(other, ticket_id, KIM)


@pytest.mark.parametrize(
    "buyer", [Buyer(name="", email="kim@example.com"), Buyer(name="Kim", email="nobody"), Buyer(name="K\0", email="")]
)
def test_a_sale_needs_a_customer(lifecycle: Lifecycle, agent: int, hand: list[Ticket], buyer: Buyer) -> None:
    with pytest.raises(InvalidInput):
        lifecycle.sell(agent, hand[0].id, buyer)


def test_selling_many_says_what_became_of_each(lifecycle: Lifecycle, agent: int, hand: list[Ticket]) -> None:
    sales = [
        Sale(hand[0].id, KIM),
        Sale(20, KIM),
        Sale(hand[1].id, Buyer(name="Lee", email="x")),
        Sale(hand[2].id, KIM),
    ]
    results = lifecycle.sell_many(agent, sales)
    assert [type(result.error) for result in results] == [type(None), NotFound, InvalidInput, type(None)]
    assert [result.ticket is not None for result in results] == [True, False, False, True]


def test_the_working_day_of_a_ticket(
    lifecycle: Lifecycle, assignments: Assignments, agent: int, hand: list[Ticket], queued: Callable[[], list[int]]
) -> None:
    ticket_id = hand[0].id
    assert lifecycle.start(agent, ticket_id).status is TicketStatus.IN_PROGRESS
    resolved = lifecycle.resolve(agent, ticket_id)
    assert resolved.resolved_at is not None
    assert assignments.held(agent).held == 14
    again = lifecycle.start(agent, ticket_id)
    assert (again.status, again.resolved_at) == (TicketStatus.IN_PROGRESS, None)
    lifecycle.resolve(agent, ticket_id)
    assert lifecycle.close(agent, ticket_id).status is TicketStatus.CLOSED
    reopened = lifecycle.reopen(ticket_id, actor_id=None, reason="the customer called")
    assert (reopened.status, reopened.agent_id, reopened.epoch) == (TicketStatus.OPEN, None, 2)
    assert queued()[0] == ticket_id


def test_a_resolved_ticket_is_taken_up_again_only_where_there_is_room(
    lifecycle: Lifecycle, assignments: Assignments, agent: int, hand: list[Ticket]
) -> None:
    lifecycle.resolve(agent, hand[0].id)
    assignments.fetch(agent)
    with pytest.raises(AgentAtCapacity):
        lifecycle.start(agent, hand[0].id)


def test_a_released_ticket_goes_back_to_its_place_and_is_dealt_next(
    lifecycle: Lifecycle, assignments: Assignments, agent: int, hand: list[Ticket], make_agent: Make,
    queued: Callable[[], list[int]], engine: Engine,
) -> None:  # fmt: skip
    lifecycle.release(agent, hand[7].id, reason="not my field")
    assert queued() == [8, 16, 17, 18, 19, 20]
    assert [ticket.id for ticket in assignments.fetch(make_agent("bob"), limit=1).tickets] == [8]
    with engine.connect() as connection:
        event = connection.execute(text("SELECT * FROM ticket_events WHERE cause = 'release'")).one()
    assert (event.agent_id, event.actor_id, event.note, event.to_status) == (agent, agent, "not my field", "open")


def test_a_release_needs_a_reason(lifecycle: Lifecycle, agent: int, hand: list[Ticket]) -> None:
    with pytest.raises(InvalidInput, match="reason"):
        lifecycle.release(agent, hand[0].id, reason="  ")


def test_an_admin_takes_a_ticket_back(
    lifecycle: Lifecycle, agent: int, hand: list[Ticket], queued: Callable[[], list[int]]
) -> None:
    assert lifecycle.return_one(hand[0].id, actor_id=None).status is TicketStatus.OPEN
    assert queued()[0] == hand[0].id
    with pytest.raises(IllegalMove, match="'open'"):
        lifecycle.return_one(hand[0].id, actor_id=None)


def test_an_admin_moves_a_ticket_to_another_agent(
    lifecycle: Lifecycle, assignments: Assignments, agent: int, hand: list[Ticket], make_agent: Make,
    queue: RedisTicketQueue,
) -> None:  # fmt: skip
    bob = make_agent("bob")
    moved = lifecycle.assign(hand[0].id, agent_id=bob, actor_id=None)
    assert (moved.agent_id, moved.epoch, moved.status) == (bob, 2, TicketStatus.ASSIGNED)
    assert [ticket.id for ticket in assignments.held(bob).tickets] == [hand[0].id]
    assert queue.hand(bob).settled == {hand[0].id}
    assert hand[0].id not in queue.hand(agent).settled
    with pytest.raises(NotFound):
        lifecycle.start(agent, hand[0].id)


def test_an_open_ticket_given_by_hand_leaves_the_queue(
    lifecycle: Lifecycle, hand: list[Ticket], make_agent: Make, queued: Callable[[], list[int]]
) -> None:
    lifecycle.assign(18, agent_id=make_agent("bob"), actor_id=None)
    assert queued() == [16, 17, 19, 20]


@pytest.mark.parametrize(
    ("profile", "error"), [({"availability": "away"}, AgentAway), ({"is_active": False}, AgentInactive)]
)
def test_nobody_is_given_a_ticket_who_takes_none(
    lifecycle: Lifecycle, hand: list[Ticket], make_agent: Make, profile: dict[str, object], error: type[FairdealError]
) -> None:
    with pytest.raises(error):
        lifecycle.assign(18, agent_id=make_agent("bob", **profile), actor_id=None)


def test_a_full_hand_is_given_nothing_by_the_admin_either(
    lifecycle: Lifecycle, agent: int, hand: list[Ticket], make_agent: Make
) -> None:
    with pytest.raises(AgentAtCapacity):
        lifecycle.assign(18, agent_id=agent, actor_id=None)
    with pytest.raises(NotFound):
        lifecycle.assign(18, agent_id=4711, actor_id=None)


def test_a_stale_epoch_is_refused(lifecycle: Lifecycle, agent: int, hand: list[Ticket]) -> None:
    with pytest.raises(StaleEpoch, match="epoch is 1, not 0"):
        lifecycle.start(agent, hand[0].id, expected_epoch=0)
    assert lifecycle.start(agent, hand[0].id, expected_epoch=1).status is TicketStatus.IN_PROGRESS


def test_moves_in_every_direction_at_once_deadlock_nowhere(
    lifecycle: Lifecycle, assignments: Assignments, engine: Engine, make_agent: Make, make_tickets: MakeMany
) -> None:
    agents = [make_agent(f"agent{n}") for n in range(4)]
    make_tickets(30)
    for agent in agents:
        assignments.fetch(agent, limit=7)

    def shuffle(n: int) -> None:
        for step in range(30):
            ticket_id, receiver = 1 + (n * 7 + step * 3) % 28, agents[(n + step) % 4]
            try:
                match step % 4:
                    case 0 | 1:
                        lifecycle.assign(ticket_id, agent_id=receiver, actor_id=None)
                    case 2:
                        lifecycle.return_one(ticket_id, actor_id=None)
                    case _:
                        assignments.fetch(receiver, limit=2)
            except FairdealError as refused:
                assert refused.code in {"illegal_move", "agent_at_capacity", "conflict"}

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(shuffle, range(8)))
    with engine.connect() as connection:
        deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        assert connection.execute(text(deadlocks)).scalar_one() == 0
        uncounted = (
            "SELECT count(*) FROM agents a WHERE held <> (SELECT count(*) FROM tickets t WHERE t.agent_id = a.id"
            " AND status IN ('assigned', 'in_progress') AND deleted_at IS NULL)"
        )
        assert connection.execute(text(uncounted)).scalar_one() == 0
