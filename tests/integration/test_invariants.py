"""The invariants on real servers: a worked state keeps them all, and each way of breaking it is noticed."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest
from redis import Redis
from sqlalchemy import Engine, text

from service.bootstrap import Container
from service.ticket_queue.keys import Keys
from service.usecases.invariants import TITLES, Invariants, all_hold
from service.usecases.ports.people import UserChanges
from tests.fakes.clock import FakeClock
from tests.integration.working_day import checker, judged, violated, work_for_a_day


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def invariants(engine: Engine, redis_client: Redis, keys: Keys, clock: FakeClock) -> Invariants:
    return checker(engine, redis_client, keys, clock)


@pytest.fixture
def worked(container: Container, make_agent: Callable[..., int]) -> tuple[int, int]:
    return work_for_a_day(container, make_agent)


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


def test_all_hold_after_an_agent_was_deleted(
    invariants: Invariants, container: Container, worked: tuple[int, int]
) -> None:
    assert container.assignments.held(worked[0]).held > 0
    container.users.delete(worked[0], actor_id=None)
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
    "a ticket dealt to a second agent and given back to the first": (
        "INSERT INTO ticket_events (ticket_id, cause, from_status, to_status, agent_id, epoch)"
        f" SELECT id, 'fetch', 'assigned', 'assigned', :ben, epoch + 1 FROM tickets WHERE id = ({HELD});"
        " INSERT INTO ticket_events (ticket_id, cause, from_status, to_status, agent_id, epoch)"
        f" SELECT id, 'reassign', 'assigned', 'assigned', :ann, epoch + 2 FROM tickets WHERE id = ({HELD});"
        f" UPDATE tickets SET epoch = epoch + 2 WHERE id = ({HELD})",
        {"I1"},
    ),
    "a claim of one agent's that names another's ticket": (
        f"INSERT INTO claims (id, agent_id, ticket_ids) SELECT gen_random_uuid(), :ben, ARRAY[({HELD})]", {"I4"},
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
    "a priority changed without a word in the history": (
        "UPDATE tickets SET priority = 'high' WHERE status = 'sold' AND priority <> 'high'", {"I11"},
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
