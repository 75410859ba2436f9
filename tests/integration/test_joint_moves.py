"""Several tickets in one request, on real PostgreSQL and a real queue: one transaction, and an answer for each."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from redis import Redis
from sqlalchemy import Engine, text

from scripts.waiting import wait_until
from service.bootstrap import Container
from service.domain.errors import AgentAtCapacity, Conflict, FairdealError, IllegalMove, NotFound, StoreUnavailable
from service.domain.model import Ticket, TicketStatus
from service.store import buyers
from service.store.assignments import PostgresAssignments
from service.store.tickets import PostgresTickets
from service.ticket_queue.keys import Keys
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.bulk import Assignment, Seen
from service.usecases.desk import Act
from service.usecases.lifecycle import ItemResult, Sale
from service.usecases.ports.tickets import Buyer, Move, Moved
from tests.integration.desk import Desk, Make, MakeMany, as_decided, as_hinted

KIM = Buyer(name="Kim", email="kim@example.com")
DEADLOCKS = text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
LOCK_AGENT = text("SELECT 1 FROM agents WHERE id = :id FOR NO KEY UPDATE")
WAITING = text("SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
SALES = "SELECT ticket_id, xact::text FROM ticket_events WHERE cause = 'sell' ORDER BY id"


@pytest.fixture
def ann(make_agent: Make) -> int:
    return make_agent("ann")


@pytest.fixture
def hand(container: Container, ann: int, make_tickets: MakeMany) -> list[Ticket]:
    make_tickets(40)
    return list(container.assignments.fetch(ann).tickets)


def read(engine: Engine, query: str) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def codes(results: Sequence[ItemResult]) -> list[str | None]:
    return [result.error and result.error.code for result in results]


def test_sales_of_one_request_are_one_transaction_and_each_is_answered(
    container: Container, engine: Engine, redis_client: Redis, keys: Keys, ann: int, hand: list[Ticket]
) -> None:
    asked = [hand[2].id, 40, 2**70, hand[0].id, hand[1].id]
    results = container.lifecycle.sell_many(ann, [Sale(id_, KIM) for id_ in asked])
    assert codes(results) == [None, "not_found", "not_found", None, None]
    assert [result.ticket_id for result in results] == asked
    sold = [result.ticket for result in results if result.ticket is not None]
    assert [(ticket.id, ticket.status, ticket.agent_id) for ticket in sold] == [
        (id_, TicketStatus.SOLD, ann) for id_ in (hand[2].id, hand[0].id, hand[1].id)
    ]
    assert len({ticket.customer_id for ticket in sold}) == 1
    assert sold == [PostgresTickets(engine).get(ticket.id) for ticket in sold]
    written = read(engine, SALES)
    assert [ticket_id for ticket_id, _ in written] == [hand[0].id, hand[1].id, hand[2].id]
    assert len({xact for _, xact in written}) == 1
    assert as_hinted(redis_client, keys) == as_decided(engine)


def test_each_customer_is_found_or_made_once(
    container: Container, engine: Engine, ann: int, hand: list[Ticket]
) -> None:
    container.lifecycle.sell(ann, hand[0].id, KIM)
    emails = ["kim@example.com", "lee@example.com", "LEE@example.com", "abe@example.com", "kim@example.com"]
    sales = [Sale(hand[n].id, Buyer(name="Somebody", email=email)) for n, email in enumerate(emails, start=1)]
    results = container.lifecycle.sell_many(ann, [*sales, Sale(hand[6].id, None)])
    assert codes(results) == [None] * 6
    known = dict(read(engine, "SELECT id, name || ' ' || email FROM customers"))
    assert [result.ticket and known.get(result.ticket.customer_id) for result in results] == [
        "Kim kim@example.com",
        "Somebody lee@example.com",
        "Somebody lee@example.com",
        "Somebody abe@example.com",
        "Kim kim@example.com",
        None,
    ]


def test_a_customer_that_cannot_be_had_keeps_no_other_sale_back(
    container: Container, monkeypatch: pytest.MonkeyPatch, ann: int, hand: list[Ticket]
) -> None:
    monkeypatch.setattr(buyers, "ATTEMPTS", 0)
    results = container.lifecycle.sell_many(ann, [Sale(hand[0].id, KIM), Sale(hand[1].id, None)])
    assert codes(results) == [Conflict.code, None]
    assert container.assignments.held(ann).held == 14


def test_repeating_sales_changes_nothing(container: Container, engine: Engine, ann: int, hand: list[Ticket]) -> None:
    sales = [Sale(ticket.id, KIM) for ticket in hand[:5]]
    first = container.lifecycle.sell_many(ann, sales)
    again = container.lifecycle.sell_many(ann, [*sales, Sale(hand[5].id, KIM)])
    assert again[:5] == first
    assert codes(again) == [None] * 6
    others = container.lifecycle.sell_many(ann, [Sale(hand[0].id, Buyer(name="Lee", email="lee@example.com"))])
    assert codes(others) == [IllegalMove.code]
    assert len(read(engine, SALES)) == 6
    assert read(engine, "SELECT email FROM customers") == [(KIM.email,)]


def test_a_ticket_named_twice_is_sold_once(container: Container, engine: Engine, ann: int, hand: list[Ticket]) -> None:
    lee = Buyer(name="Lee", email="lee@example.com")
    sales = [Sale(hand[0].id, KIM), Sale(hand[0].id, lee), Sale(hand[0].id, KIM), Sale(hand[1].id, lee)]
    assert codes(container.lifecycle.sell_many(ann, sales)) == [None, IllegalMove.code, None, None]
    assert len(read(engine, SALES)) == 2


def test_sellers_at_once_sell_each_ticket_once_and_wait_for_each_other_in_one_order(
    container: Container, engine: Engine, ann: int, hand: list[Ticket]
) -> None:
    """Eight requests name the same tickets and the same customers, each in an order of its own."""
    deadlocks = read(engine, str(DEADLOCKS))
    start, rolls = Barrier(8), [random.Random(seed) for seed in range(8)]

    def sell(n: int) -> list[str | None]:
        buyer = [Buyer(name="B", email=f"{(n + i) % 4}@example.com") for i in range(len(hand))]
        sales = [Sale(ticket.id, each) for ticket, each in zip(hand, buyer, strict=True)]
        rolls[n].shuffle(sales)
        start.wait()
        return codes(container.lifecycle.sell_many(ann, sales))

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(sell, range(8)))
    assert {code for answer in answers for code in answer} == {None, IllegalMove.code}
    assert sorted(ticket_id for ticket_id, _ in read(engine, SALES)) == [ticket.id for ticket in hand]
    assert read(engine, "SELECT count(*) FROM customers") == [(4,)]
    assert read(engine, str(DEADLOCKS)) == deadlocks


def test_admins_and_agents_at_once_neither_deadlock_nor_overfill(
    container: Container, engine: Engine, make_agent: Make, ann: int, hand: list[Ticket]
) -> None:
    agents = [ann, make_agent("bob"), make_agent("cleo")]
    ids = [ticket.id for ticket in hand]
    deadlocks = read(engine, str(DEADLOCKS))
    start = Barrier(6)

    def pass_on(n: int) -> list[str | None]:
        roll = random.Random(n)
        start.wait()
        said: list[str | None] = []
        for _ in range(4):
            roll.shuffle(ids_here := list(ids))
            wanted = [Assignment(id_, roll.choice(agents)) for id_ in ids_here]
            said += codes(container.bulk.assign(wanted, actor_id=None))
            said += codes(container.bulk.put_back([Seen(id_) for id_ in ids_here[:5]], actor_id=None))
            said += codes(container.desks.work(roll.choice(agents), Act.START, ids_here))
        return said

    with ThreadPoolExecutor(6) as pool:
        said = {code for codes_of in pool.map(pass_on, range(6)) for code in codes_of}
    assert said <= {None, "not_found", "illegal_move", "agent_at_capacity", "conflict"}
    assert None in said
    assert read(engine, str(DEADLOCKS)) == deadlocks
    counted = (
        "SELECT a.id FROM agents a WHERE held > capacity OR held <> (SELECT count(*) FROM tickets t"
        " WHERE t.agent_id = a.id AND t.status IN ('assigned', 'in_progress') AND t.deleted_at IS NULL)"
    )
    assert read(engine, counted) == []


def test_room_is_counted_from_one_ticket_to_the_next(
    container: Container, ann: int, hand: list[Ticket], make_agent: Make
) -> None:
    bob = make_agent("bob")
    resolved = [ticket.id for ticket in hand[:3]]
    assert codes(container.desks.work(ann, Act.RESOLVE, resolved)) == [None] * 3
    container.assignments.fetch(ann, limit=2)
    assert codes(container.desks.work(ann, Act.START, resolved)) == [None, AgentAtCapacity.code, AgentAtCapacity.code]
    given = container.bulk.assign([Assignment(ticket.id, bob) for ticket in hand[3:]], actor_id=None)
    assert codes(given) == [None] * 12
    assert [container.assignments.held(agent).held for agent in (ann, bob)] == [3, 12]


@pytest.mark.parametrize("act", list(Act))
def test_an_act_with_several_is_the_act_with_each(
    container: Container, engine: Engine, ann: int, hand: list[Ticket], act: Act
) -> None:
    if act is Act.CLOSE:
        container.desks.work(ann, Act.RESOLVE, [ticket.id for ticket in hand])
    one, *several = [ticket.id for ticket in hand]
    single: dict[Act, Callable[[], Ticket]] = {
        Act.START: lambda: container.lifecycle.start(ann, one),
        Act.RESOLVE: lambda: container.lifecycle.resolve(ann, one),
        Act.CLOSE: lambda: container.lifecycle.close(ann, one),
        Act.RELEASE: lambda: container.lifecycle.release(ann, one, reason="lunch"),
    }
    single[act]()
    assert codes(container.desks.work(ann, act, several, reason="lunch")) == [None] * 14
    left_out = "'id', 'subject', 'created_at', 'updated_at', 'assigned_at', 'resolved_at', 'requeued_at'"
    alike = (
        f"SELECT DISTINCT to_jsonb(t) - ARRAY[{left_out}], assigned_at IS NULL, resolved_at IS NULL,"
        f" updated_at > created_at FROM tickets t WHERE id <= {several[-1]}"
    )
    assert len(read(engine, alike)) == 1
    lines = "SELECT DISTINCT to_jsonb(e) - ARRAY['id', 'ticket_id', 'at', 'xact'] FROM ticket_events e WHERE cause = "
    assert len(read(engine, f"{lines}'{act.value}'")) == 1


def test_tickets_that_change_hands_before_the_lock_are_returned_from_where_they_went(
    container: Container, engine: Engine, make_agent: Make, ann: int, hand: list[Ticket]
) -> None:
    bob = make_agent("bob")
    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as other, engine.connect() as watch:
            other.execute(LOCK_AGENT, {"id": ann})
            returning = pool.submit(container.bulk.put_back, [Seen(ticket.id) for ticket in hand[:4]], actor_id=None)
            assert wait_until(lambda: watch.execute(WAITING).all() or watch.rollback(), 30)
            move = "UPDATE tickets SET agent_id = :bob, epoch = epoch + 1 WHERE id = :id"
            other.execute(LOCK_AGENT, {"id": bob})
            other.execute(text(move), {"bob": bob, "id": hand[0].id})
        assert codes(returning.result()) == [None] * 4
    assert read(engine, f"SELECT held FROM agents WHERE id = {bob}") == [(0,)]


def test_a_connection_lost_before_the_commit_has_sold_nothing(
    container: Container, engine: Engine, ann: int, hand: list[Ticket]
) -> None:
    sales = [Sale(ticket.id, KIM) for ticket in hand]
    with ThreadPoolExecutor(1) as pool, engine.begin() as other, engine.connect() as watch:
        other.execute(text("SELECT 1 FROM tickets WHERE id = :id FOR NO KEY UPDATE"), {"id": hand[-1].id})
        selling = pool.submit(container.lifecycle.sell_many, ann, sales)
        assert wait_until(lambda: watch.execute(WAITING).all() or watch.rollback(), 30)
        watch.execute(text("SELECT pg_terminate_backend(pid) FROM (" + str(WAITING) + ") w"))
        with pytest.raises(StoreUnavailable):
            selling.result()
    assert read(engine, SALES) == []
    assert codes(container.lifecycle.sell_many(ann, sales)) == [None] * 15
    assert len(read(engine, SALES)) == 15


class LosesAnswers(PostgresAssignments):
    """Commits, and loses the answer the first time."""

    lost = False

    def move_all(self, wanted: Sequence[Move]) -> list[Moved | FairdealError]:
        answer = super().move_all(wanted)
        if not self.lost:
            self.lost = True
            raise StoreUnavailable("gone")
        return answer


def test_sales_whose_answer_was_lost_are_found_done(
    engine: Engine, queue: RedisTicketQueue, redis_client: Redis, keys: Keys, ann: int, hand: list[Ticket]
) -> None:
    desk = Desk(engine, queue, store=LosesAnswers(engine))
    sales = [Sale(ticket.id, KIM) for ticket in hand]
    with pytest.raises(StoreUnavailable):
        desk.lifecycle.sell_many(ann, sales)
    assert codes(desk.lifecycle.sell_many(ann, [*sales, Sale(40, KIM)])) == [None] * 15 + [NotFound.code]
    assert len(read(engine, SALES)) == 15
