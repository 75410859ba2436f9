"""The invariants on real servers: a worked state keeps them all, and each way of breaking it is noticed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from redis import Redis
from sqlalchemy import Engine, text

from service.bootstrap import Container
from service.domain.model import Priority, QueuedTicket
from service.store.invariants import PostgresInvariants
from service.store.open_tickets import PostgresOpenTickets
from service.ticket_queue.audit import RedisQueueAudit
from service.ticket_queue.keys import Keys
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.invariants import TITLES, InvariantResult, Invariants, all_hold
from service.usecases.ports.people import UserChanges
from service.usecases.ports.tickets import Buyer, TicketChanges, TicketDraft
from tests.fakes.clock import FakeClock

BUYER = Buyer(name="Priya", email="priya@example.com")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def invariants(engine: Engine, redis_client: Redis, keys: Keys, clock: FakeClock) -> Invariants:
    return Invariants(
        store=PostgresInvariants(engine, page_size=7),
        open_tickets=PostgresOpenTickets(engine),
        audit=RedisQueueAudit(redis_client, keys),
        lease_s=12,
        tick_s=2,
        sleep=clock.sleep,
    )


@pytest.fixture
def worked(container: Container, make_agent: Callable[..., int]) -> tuple[int, int]:
    """Two agents after a day with everything that can happen to a ticket."""
    ann, ben = make_agent("ann"), make_agent("ben", level="senior")
    drafts = [TicketDraft(subject=f"Ticket {n}", priority=list(Priority)[n % 3]) for n in range(60)]
    ids = [ticket.id for ticket in container.tickets.create_many(drafts, actor_id=None)]
    hand = [ticket.id for ticket in container.assignments.fetch(ann).tickets]
    work = container.lifecycle
    work.sell(ann, hand[0], BUYER)
    work.start(ann, hand[1])
    work.release(ann, hand[1], reason="not mine")
    work.resolve(ann, hand[2])
    work.close(ann, hand[2])
    work.reopen(hand[2], actor_id=None, reason="not solved")
    work.resolve(ann, hand[3])
    work.assign(hand[4], agent_id=ben, actor_id=None)
    work.return_one(hand[5], actor_id=None, reason="mistake")
    container.tickets.delete(hand[6], actor_id=None)
    container.tickets.update(hand[7], TicketChanges(subject="Changed"), actor_id=None)
    container.tickets.update(ids[-1], TicketChanges(priority=Priority.LOW), actor_id=None)
    container.tickets.delete(ids[-2], actor_id=None)
    container.assignments.fetch(ben, limit=6)
    container.assignments.return_all(ben, actor_id=None)
    container.assignments.fetch(ben, limit=3)
    container.assignments.fetch(ann)
    return ann, ben


def judged(results: tuple[InvariantResult, ...]) -> dict[str, bool | None]:
    return {result.code: result.ok for result in results}


def violated(results: tuple[InvariantResult, ...]) -> set[str]:
    return {result.code for result in results if result.ok is False}


def test_all_hold_on_empty_servers(invariants: Invariants) -> None:
    results = invariants.check(at_rest=True)
    assert [result.code for result in results] == list(TITLES)
    assert all_hold(results)


def test_all_hold_after_everything_that_can_happen_to_a_ticket(
    invariants: Invariants, worked: tuple[int, int], clock: FakeClock
) -> None:
    results = invariants.check(at_rest=True)
    assert violated(results) == set(), results
    assert all_hold(results)
    assert clock.slept == []


def test_all_hold_after_an_agent_was_deactivated(
    invariants: Invariants, container: Container, worked: tuple[int, int]
) -> None:
    container.users.update(worked[0], UserChanges(is_active=False), actor_id=None)
    assert violated(invariants.check(at_rest=True)) == set()


# What a bug or a hand in the database could do, and the invariants that notice. Triggers are switched off for it.
HELD = "SELECT id FROM tickets WHERE status = 'assigned' AND agent_id = :ann ORDER BY id LIMIT 1"
BROKEN: dict[str, tuple[str, set[str]]] = {
    "a held ticket moved to another agent": (
        f"UPDATE tickets SET agent_id = :ben WHERE id = ({HELD})", {"I1", "I6", "I7"},
    ),
    "a ticket dealt to a second agent": (
        "INSERT INTO ticket_events (ticket_id, cause, from_status, to_status, agent_id, epoch)"
        f" SELECT id, 'fetch', 'assigned', 'assigned', :ben, epoch + 1 FROM tickets WHERE id = ({HELD})",
        {"I1", "I9"},
    ),
    "a capacity below what is held": ("UPDATE agents SET capacity = 2, held = 2 WHERE id = :ann", {"I2", "I7"}),
    "a counter that is wrong": ("UPDATE agents SET held = held - 1 WHERE id = :ann", {"I7"}),
    "a row that vanished": (
        "DELETE FROM tickets WHERE id = (SELECT max(id) FROM tickets WHERE status = 'open')", {"I3", "I5"},
    ),
    "a ticket deleted by hand": (
        "UPDATE tickets SET deleted_at = now() WHERE id = (SELECT max(id) FROM tickets WHERE status = 'resolved')",
        {"I3"},
    ),
    "a claim that history does not know": (
        "INSERT INTO claims (id, agent_id, ticket_ids)"
        " SELECT gen_random_uuid(), :ann, ARRAY[max(id)] FROM tickets WHERE status = 'open'",
        {"I4"},
    ),
    "an epoch that stood still": (
        "INSERT INTO ticket_events (ticket_id, cause, from_status, to_status, agent_id, epoch)"
        f" SELECT id, 'return', 'assigned', 'open', :ann, epoch FROM tickets WHERE id = ({HELD});"
        f" UPDATE tickets SET status = 'open', agent_id = NULL WHERE id = ({HELD})",
        {"I9", "I5", "I6", "I7"},
    ),
    "an epoch unlike the history's": (f"UPDATE tickets SET epoch = epoch + 5 WHERE id = ({HELD})", {"I9"}),
    "a sold ticket taken back": (
        "INSERT INTO ticket_events (ticket_id, cause, from_status, to_status, agent_id, epoch)"
        " SELECT id, 'start', 'sold', 'in_progress', :ann, epoch FROM tickets WHERE status = 'sold';"
        " UPDATE tickets SET status = 'in_progress', sold_at = NULL WHERE status = 'sold'",
        {"I11", "I2", "I6", "I7"},
    ),
    "a state without history": (
        f"UPDATE tickets SET status = 'closed' WHERE id = ({HELD})", {"I11", "I6", "I7"},
    ),
    "a deleted ticket that came back": (
        "UPDATE tickets SET deleted_at = NULL WHERE status = 'assigned' AND deleted_at IS NOT NULL",
        {"I11", "I2", "I6", "I7"},
    ),
    "a lost step of the history": (
        "DELETE FROM ticket_events WHERE id = (SELECT min(id) FROM ticket_events WHERE cause = 'resolve')",
        {"I11"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_in_postgresql_is_noticed(
    name: str, invariants: Invariants, worked: tuple[int, int], engine: Engine
) -> None:
    sql, expected = BROKEN[name]
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for part in sql.split("; "):
            assert connection.execute(text(part), {"ann": worked[0], "ben": worked[1]}).rowcount >= 1
    results = invariants.check(at_rest=True)
    assert violated(results) == expected, results
    assert not all_hold(results)
    assert all(result.violations and result.examples for result in results if result.ok is False)


def test_the_cap_is_counted_from_rows_and_not_from_the_counter(
    invariants: Invariants, worked: tuple[int, int], engine: Engine
) -> None:
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("UPDATE agents SET capacity = 14, held = 14 WHERE id = :id"), {"id": worked[0]})
    found = {result.code: result for result in invariants.check(at_rest=True)}["I2"]
    assert found.examples == (f"agent {worked[0]} holds 15 of 14",)


def test_a_guard_that_was_switched_off_is_noticed(invariants: Invariants, engine: Engine) -> None:
    def alter(what: str) -> None:
        with engine.begin() as connection:
            connection.execute(text(f"ALTER TABLE tickets {what} TRIGGER tickets_refuse_unfenced_move"))

    alter("DISABLE")
    try:
        found = {result.code: result for result in invariants.check(at_rest=True)}["I2"]
    finally:
        alter("ENABLE")
    assert found.examples == ("guard tickets_refuse_unfenced_move is missing",)
    assert found.ok is False


KEY = text(
    "INSERT INTO idempotency_keys (user_id, key, operation_id, fingerprint, locked_until, status)"
    " VALUES (:user, :key, :operation, 'x', now(), :status)"
)


@pytest.mark.parametrize(
    "second", [{"key": "other", "status": None}, {"key": "made", "status": 201, "operation": str(UUID(int=9))}]
)
def test_a_key_without_an_operation_of_its_own_is_noticed(
    invariants: Invariants, worked: tuple[int, int], engine: Engine, second: dict[str, object]
) -> None:
    first = {"user": worked[0], "key": "once", "operation": str(UUID(int=7)), "status": 200}
    with engine.connect() as connection:
        assert judged(invariants.check(at_rest=True))["I10"] is None
        connection.execute(KEY, first)
        connection.commit()
        assert judged(invariants.check(at_rest=True))["I10"] is True
        connection.execute(KEY, {**first, **second})
        connection.commit()
        assert violated(invariants.check(at_rest=True)) == {"I10"}


def _shuffle(client: Redis, queue_key: str) -> None:
    client.rpush(queue_key, client.lpop(queue_key))


QUEUE_DRIFT: dict[str, tuple[Callable[[Redis, str], Any], str]] = {
    "missing": (lambda client, key: client.lrem(key, 1, client.lindex(key, 3)), "is open and missing from the medium"),
    "phantom": (lambda client, key: client.rpush(key, 10**9), "ticket 1000000000 is in the medium queue and not open"),
    "duplicate": (lambda client, key: client.rpush(key, client.lindex(key, -1)), "stands twice or out of order"),
    "out of order": (_shuffle, "stands twice or out of order"),
    "poison": (lambda client, key: client.rpush(key, "x7"), "has the entry 'x7', which is no id"),
    "wrong type": (lambda client, key: (client.delete(key), client.set(key, "oops")), "is of a wrong type"),
}


@pytest.mark.parametrize("name", QUEUE_DRIFT)
def test_a_queue_that_differs_is_noticed_by_two_looks(
    name: str, invariants: Invariants, worked: tuple[int, int], redis_client: Redis, keys: Keys, clock: FakeClock
) -> None:
    break_it, words = QUEUE_DRIFT[name]
    break_it(redis_client, keys.queue(Priority.MEDIUM))
    results = {result.code: result for result in invariants.check(at_rest=True)}
    assert results["I5"].ok is False
    assert any(words in example for example in results["I5"].examples), results["I5"]
    assert clock.slept == [0.5]


def test_a_flushed_queue_is_counted_ticket_by_ticket(
    invariants: Invariants, make_tickets: Callable[..., list[int]], redis_client: Redis
) -> None:
    make_tickets(12_345)
    redis_client.flushdb()
    found = {result.code: result for result in invariants.check(at_rest=True)}["I5"]
    assert found.violations == 12_345
    assert len(found.examples) == 5


def test_a_difference_that_is_gone_at_the_second_look_is_none(
    invariants: Invariants, make_tickets: Callable[..., list[int]], queue: RedisTicketQueue, clock: FakeClock
) -> None:
    late = make_tickets(3, enqueue=False)
    clock.meanwhile = lambda: queue.enqueue([QueuedTicket(ticket_id, Priority.MEDIUM) for ticket_id in late]) and None
    assert violated(invariants.check(at_rest=True)) == set()
    assert clock.slept == [0.5]


def test_while_work_is_under_way_a_difference_is_shown_and_not_judged(
    invariants: Invariants, make_tickets: Callable[..., list[int]]
) -> None:
    make_tickets(3, enqueue=False)
    results = invariants.check(at_rest=False)
    found = {result.code: result for result in results}["I5"]
    assert (found.ok, found.violations) == (None, 3)
    assert "work under way" in found.note
    assert all_hold(results)


def test_a_held_set_that_differs_is_noticed(
    invariants: Invariants, worked: tuple[int, int], redis_client: Redis, keys: Keys
) -> None:
    ann, ben = worked
    redis_client.sadd(keys.held(ann), 777)
    redis_client.delete(keys.held(ben))
    found = {result.code: result for result in invariants.check(at_rest=True)}["I6"]
    assert found.ok is False
    assert found.examples[0] == f"agent {ann} holds ticket 777 in Redis alone"
    assert found.examples[1].startswith(f"agent {ben} holds ticket")
    assert found.examples[1].endswith("in PostgreSQL alone")


def test_a_claim_that_nobody_settled_is_overdue_after_lease_and_ticks(
    invariants: Invariants, queue: RedisTicketQueue, make_tickets: Callable[..., list[int]], redis_client: Redis,
    keys: Keys,
) -> None:  # fmt: skip
    make_tickets(2)
    queue.claim(claim_id=uuid4(), agent_id=1, wanted=1, capacity=15, priorities=[Priority.MEDIUM])
    assert judged(invariants.check(at_rest=True))["I8"] is True
    [(member, score)] = redis_client.zrange(keys.claims, 0, -1, withscores=True)
    redis_client.zadd(keys.claims, {member: score - 17_000})
    assert judged(invariants.check(at_rest=True))["I8"] is False


def test_without_redis_the_rest_is_still_judged_and_all_does_not_hold(
    engine: Engine, worked: tuple[int, int], keys: Keys
) -> None:
    nobody = Redis(host="127.0.0.1", port=1, decode_responses=True)
    checked = Invariants(
        store=PostgresInvariants(engine),
        open_tickets=PostgresOpenTickets(engine),
        audit=RedisQueueAudit(nobody, keys),
        lease_s=12,
        tick_s=2,
    )
    results = checked.check(at_rest=True)
    assert {code for code, ok in judged(results).items() if ok is None} == {"I5", "I6", "I8", "I10"}
    assert not all_hold(results)
    nobody.close()


def test_repairs_are_told_and_do_not_count_against_the_whole(
    invariants: Invariants, container: Container, make_tickets: Callable[..., list[int]], engine: Engine
) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO reconciliations (tier, trigger, status, repaired)"
                """ VALUES ('full', 'clock', 'done', '{"missing": 3, "phantom": 1}'), ('full', 'clock', 'done', '{}')"""
            )
        )
    results = invariants.check(at_rest=True)
    found = {result.code: result for result in results}["I12"]
    assert (found.ok, found.violations) == (None, 4)
    assert "the last runs (2)" in found.note
    assert all_hold(results)
