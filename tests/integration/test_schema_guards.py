"""What PostgreSQL refuses by itself, raw SQL included."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

Make = Callable[..., int]
MakeMany = Callable[..., list[int]]

GIVE = "UPDATE tickets SET status = 'assigned', agent_id = :agent, epoch = epoch + 1 WHERE id = ANY(:ids)"


def run(engine: Engine, statement: str, **values: object) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement), values)


def scalar(engine: Engine, query: str, **values: object) -> object:
    with engine.connect() as connection:
        return connection.execute(text(query), values).scalar_one()


def test_a_sixteenth_held_ticket_is_refused(engine: Engine, make_agent: Make, make_tickets: MakeMany) -> None:
    agent, ids = make_agent(), make_tickets(16)
    run(engine, GIVE, agent=agent, ids=ids[:15])
    with pytest.raises(IntegrityError, match="agents_held_within_capacity"):
        run(engine, GIVE, agent=agent, ids=ids[15:])
    assert scalar(engine, "SELECT held FROM agents WHERE id = :id", id=agent) == 15


def test_sixteen_at_once_are_refused(engine: Engine, make_agent: Make, make_tickets: MakeMany) -> None:
    agent, ids = make_agent(), make_tickets(16)
    with pytest.raises(IntegrityError, match="agents_held_within_capacity"):
        run(engine, GIVE, agent=agent, ids=ids)
    assert scalar(engine, "SELECT count(*) FROM tickets WHERE status = 'open'") == 16


def test_a_ticket_inserted_as_held_counts(engine: Engine, make_agent: Make) -> None:
    agent = make_agent(capacity=1)
    insert = "INSERT INTO tickets (subject, status, agent_id) VALUES ('x', 'assigned', :agent)"
    run(engine, insert, agent=agent)
    with pytest.raises(IntegrityError, match="agents_held_within_capacity"):
        run(engine, insert, agent=agent)


def test_a_smaller_capacity_counts(engine: Engine, make_agent: Make, make_tickets: MakeMany) -> None:
    agent, ids = make_agent(capacity=3), make_tickets(4)
    with pytest.raises(IntegrityError, match="agents_held_within_capacity"):
        run(engine, GIVE, agent=agent, ids=ids)


@pytest.mark.parametrize("capacity", [0, 16])
def test_capacity_is_one_to_fifteen(engine: Engine, make_agent: Make, capacity: int) -> None:
    with pytest.raises(IntegrityError, match="agents_capacity_range"):
        make_agent(capacity=capacity)


def test_capacity_cannot_fall_below_what_is_held(engine: Engine, make_agent: Make, make_tickets: MakeMany) -> None:
    agent, ids = make_agent(), make_tickets(3)
    run(engine, GIVE, agent=agent, ids=ids)
    with pytest.raises(IntegrityError, match="agents_held_within_capacity"):
        run(engine, "UPDATE agents SET capacity = 2 WHERE id = :id", id=agent)


def test_a_second_holder_is_refused(engine: Engine, make_agent: Make, make_tickets: MakeMany) -> None:
    first, second, ids = make_agent("ann"), make_agent("bob"), make_tickets(1)
    run(engine, GIVE, agent=first, ids=ids)
    with pytest.raises(IntegrityError, match="must raise its epoch"):
        run(engine, "UPDATE tickets SET agent_id = :agent WHERE id = ANY(:ids)", agent=second, ids=ids)
    assert scalar(engine, "SELECT agent_id FROM tickets WHERE id = :id", id=ids[0]) == first


def test_the_epoch_never_falls(engine: Engine, make_tickets: MakeMany) -> None:
    ids = make_tickets(1)
    run(engine, "UPDATE tickets SET epoch = 5 WHERE id = :id", id=ids[0])
    with pytest.raises(IntegrityError, match="must raise its epoch"):
        run(engine, "UPDATE tickets SET epoch = 4 WHERE id = :id", id=ids[0])


@pytest.mark.parametrize("change", ["status = 'assigned', epoch = epoch + 1", "status = 'resolved', epoch = epoch + 1"])
def test_only_open_tickets_are_nobodys(engine: Engine, make_tickets: MakeMany, change: str) -> None:
    ids = make_tickets(1)
    with pytest.raises(IntegrityError, match="tickets_open_means_nobody"):
        run(engine, f"UPDATE tickets SET {change} WHERE id = :id", id=ids[0])


def test_the_held_counter_cannot_be_written(engine: Engine, make_agent: Make) -> None:
    agent = make_agent()
    with pytest.raises(IntegrityError, match=r"agents\.held is kept by the database"):
        run(engine, "UPDATE agents SET held = 3 WHERE id = :id", id=agent)


def test_the_held_counter_follows_every_change(engine: Engine, make_agent: Make, make_tickets: MakeMany) -> None:
    ann, bob, ids = make_agent("ann"), make_agent("bob"), make_tickets(6)
    run(engine, GIVE, agent=ann, ids=ids)
    held = "SELECT held FROM agents WHERE id = :id"
    assert scalar(engine, held, id=ann) == 6
    run(engine, GIVE, agent=bob, ids=ids[:2])
    assert (scalar(engine, held, id=ann), scalar(engine, held, id=bob)) == (4, 2)
    run(engine, "UPDATE tickets SET status = 'sold', sold_at = now() WHERE id = :id", id=ids[2])
    run(engine, "UPDATE tickets SET status = 'resolved' WHERE id = :id", id=ids[3])
    run(engine, "UPDATE tickets SET deleted_at = now() WHERE id = :id", id=ids[4])
    assert scalar(engine, held, id=ann) == 1
    run(engine, "DELETE FROM tickets WHERE id = :id", id=ids[5])
    assert scalar(engine, held, id=ann) == 0


@pytest.mark.parametrize("change", ["is_active = false", "deleted_at = now()", "role = 'admin'"])
def test_an_agent_takes_part_only_while_the_user_does(engine: Engine, make_agent: Make, change: str) -> None:
    agent = make_agent()
    run(engine, f"UPDATE users SET {change} WHERE id = :id", id=agent)
    assert scalar(engine, "SELECT is_active FROM agents WHERE id = :id", id=agent) is False


def test_history_is_append_only(engine: Engine, make_tickets: MakeMany) -> None:
    ids = make_tickets(1)
    insert = "INSERT INTO ticket_events (ticket_id, cause, epoch) VALUES (:id, 'create', 0)"
    run(engine, insert, id=ids[0])
    for change in ("DELETE FROM ticket_events", "UPDATE ticket_events SET note = 'x'"):
        with pytest.raises(IntegrityError, match="append-only"):
            run(engine, change)


@pytest.mark.parametrize("emptying", ["ticket_events", "tickets, ticket_events", "tickets CASCADE", "users CASCADE"])
def test_tickets_and_their_history_are_not_truncated(engine: Engine, make_tickets: MakeMany, emptying: str) -> None:
    make_tickets(1)
    with pytest.raises(IntegrityError, match="is never emptied"):
        run(engine, f"TRUNCATE {emptying}")
    assert scalar(engine, "SELECT count(*) FROM tickets") == 1


def test_ids_come_in_creation_order_without_a_cache(engine: Engine) -> None:
    cached = "SELECT seqcache FROM pg_sequence WHERE seqrelid = pg_get_serial_sequence('tickets', 'id')::regclass"
    assert scalar(engine, cached) == 1
