"""Closed tickets that are old move to the archive, whole, once, and without anybody waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError

from scripts.waiting import wait_until
from service.bootstrap import Container
from service.domain.errors import InvalidInput
from service.store import archive as archive_store
from service.store.archive import PostgresArchive
from service.store.engine import transaction
from service.store.event_feed import has_news, read_on
from service.store.tables import archived_ticket_events, archived_tickets, ticket_events, tickets
from service.usecases.archive import DAY_S
from service.usecases.ports.tickets import Buyer
from tests.integration.archiving import OLD_S, all_told, archive, grow_old, where

Make = Callable[..., int]
MakeMany = Callable[..., list[int]]
KIM = Buyer(name="Kim", email="kim@example.com")


@pytest.fixture
def agent(make_agent: Make) -> int:
    return make_agent()


@pytest.fixture
def done(container: Container, engine: Engine, agent: int, make_tickets: MakeMany) -> list[int]:
    """Three tickets: one closed, one sold, one deleted."""
    closed, sold, deleted = make_tickets(3)
    container.assignments.fetch(agent)
    container.lifecycle.resolve(agent, closed)
    container.lifecycle.close(agent, closed)
    container.lifecycle.sell(agent, sold, KIM)
    container.tickets.delete(deleted, actor_id=None)
    return [closed, sold, deleted]


def ids(engine: Engine, table: str) -> list[int]:
    with engine.connect() as connection:
        return list(connection.execute(text(f"SELECT id FROM {table} ORDER BY id")).scalars())


@contextmanager
def locked(engine: Engine, statement: str, **values: object) -> Iterator[Connection]:
    with engine.begin() as connection:
        connection.execute(text(statement), values)
        yield connection


def test_the_archive_has_the_columns_of_what_it_keeps() -> None:
    assert [c.name for c in archived_tickets.c] == [*(c.name for c in tickets.c), "archived_at"]
    assert [c.name for c in archived_ticket_events.c] == [c.name for c in ticket_events.c if c.name != "xact"]
    for archived, worked_on in ((archived_tickets, tickets), (archived_ticket_events, ticket_events)):
        for column in worked_on.c:
            if column.name in archived.c:
                twin = archived.c[column.name]
                assert str(twin.type) == str(column.type), column
                assert twin.nullable == column.nullable, column


def test_what_is_closed_sold_or_deleted_moves_with_its_history(
    container: Container, engine: Engine, done: list[int]
) -> None:
    grow_old(engine, done)
    with engine.connect() as connection:
        before = connection.execute(text("SELECT id, ticket_id, cause, at FROM ticket_events ORDER BY id")).all()
    swept = archive(container)
    assert (swept.tickets, swept.events, swept.left) == (3, len(before), 0)
    assert [where(engine, ticket)[:3:2] for ticket in done] == [(0, 1)] * 3
    with engine.connect() as connection:
        query = text("SELECT id, ticket_id, cause, at FROM archived_ticket_events ORDER BY id")
        assert connection.execute(query).all() == before
    assert ids(engine, "ticket_events") == []
    assert archive(container).tickets == 0, "there is nothing left to do"


def test_what_is_worked_on_or_young_stays(
    container: Container, engine: Engine, done: list[int], agent: int, make_tickets: MakeMany
) -> None:
    held, resolved, is_open, young = make_tickets(4)
    container.lifecycle.assign(held, agent_id=agent, actor_id=None)
    container.lifecycle.assign(resolved, agent_id=agent, actor_id=None)
    container.lifecycle.resolve(agent, resolved)
    container.lifecycle.assign(young, agent_id=agent, actor_id=None)
    container.lifecycle.sell(agent, young, KIM)
    grow_old(engine, [*done, held, resolved, is_open])
    assert archive(container).tickets == 3
    assert ids(engine, "tickets") == [held, resolved, is_open, young]


def test_a_ticket_with_a_young_note_stays(
    container: Container, engine: Engine, done: list[int], make_user: Make
) -> None:
    grow_old(engine, done)
    admin = make_user()
    line = container.history._store.add_note(done[0], "They called again", actor_id=admin, operation_id=None)
    all_told(engine)
    assert archive(container).left == 1
    assert where(engine, line.ticket_id)[:3:2] == (1, 0)


@pytest.mark.parametrize("reader", ["mails", "webhooks"])
def test_nothing_leaves_that_a_reader_has_still_to_read(
    container: Container, engine: Engine, done: list[int], reader: str
) -> None:
    """A reader who has never read anything has everything still to read."""
    grow_old(engine, done, told=False)
    others = [name for name in ("mails", "webhooks") if name != reader]
    all_told(engine, others)
    assert archive(container).tickets == 0
    lines, told = ids(engine, "ticket_events"), set[int]()

    def read() -> bool:  # in its own time: transactions of other tests on the server hold readers up, line by line
        with transaction(engine) as connection:
            told.update(event.id for each in read_on(connection, reader, limit=100) for event in each.events)
            return not has_news(connection, reader) and told == set(lines)

    assert wait_until(read, 30)
    assert archive(container).tickets == 3


def test_what_is_too_young_to_be_let_go_of_is_refused(container: Container) -> None:
    with pytest.raises(InvalidInput, match="at least 8 days"):
        container.archiving.run(older_than_s=7 * DAY_S)
    with pytest.raises(InvalidInput, match="at least 8 days"):
        container.archiving.due(7 * DAY_S)


def test_a_batch_passes_over_what_somebody_has_in_hand(container: Container, engine: Engine, done: list[int]) -> None:
    grow_old(engine, done)
    with locked(engine, "SELECT FROM tickets WHERE id = :id FOR NO KEY UPDATE", id=done[0]):
        assert archive(container).tickets == 2
    assert archive(container).tickets == 1


def test_a_batch_passes_over_tickets_of_a_customer_who_is_being_erased(
    container: Container, engine: Engine, done: list[int]
) -> None:
    """An erasure locks the customer before the tickets: to wait for the one with the others in hand were a deadlock."""
    grow_old(engine, done)
    with locked(engine, "SELECT FROM customers FOR UPDATE"):
        assert archive(container).tickets == 2
    assert archive(container).tickets == 1


def test_a_line_written_after_the_look_keeps_its_ticket(
    container: Container, engine: Engine, done: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The candidates are chosen before they are locked; what is said of a history must be true under the lock."""
    grow_old(engine, done)
    note = text("INSERT INTO ticket_events (ticket_id, cause, epoch) VALUES (:id, 'note', 1)")
    settled = archive_store._settled

    def written_meanwhile(connection: Connection, found: object, older_than_s: float) -> list[int]:
        with engine.begin() as other:
            other.execute(note, {"id": done[0]})
        return settled(connection, found, older_than_s)  # type: ignore[arg-type]

    monkeypatch.setattr(archive_store, "_settled", written_meanwhile)
    assert archive(container).tickets == 2
    assert where(engine, done[0])[0] == 1


def test_batches_go_on_where_the_one_before_ended(container: Container, engine: Engine, done: list[int]) -> None:
    grow_old(engine, done)
    with engine.begin() as connection:  # all alike in time, as after a purge of old work
        connection.execute(text("UPDATE tickets SET updated_at = now() - interval '100 days'"))
    store = PostgresArchive(engine)
    first = store.move(older_than_s=OLD_S, after=None, limit=2)
    assert (first.moved, first.last is not None) == (2, True)
    second = store.move(older_than_s=OLD_S, after=first.last, limit=2)
    assert (second.moved, second.last) == (1, None)


def test_several_archivers_share_the_work(container: Container, engine: Engine, make_tickets: MakeMany) -> None:
    many = make_tickets(1_000, enqueue=False)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO ticket_events (ticket_id, cause, to_status, epoch)"
                " SELECT id, 'create', 'open', 0 FROM tickets"
            )
        )
        connection.execute(text("UPDATE tickets SET deleted_at = now(), updated_at = now()"))
    grow_old(engine, many)
    with ThreadPoolExecutor(3) as pool:
        swept = list(pool.map(lambda _: archive(container), range(3)))
    last = archive(container)
    assert sum(one.tickets for one in [*swept, last]) == 1_000
    assert sum(one.events for one in [*swept, last]) == 1_000
    assert ids(engine, "archived_tickets") == many
    assert ids(engine, "tickets") == []


def test_a_batch_that_breaks_leaves_everything_where_it_was(
    container: Container, engine: Engine, done: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    grow_old(engine, done)
    before = [where(engine, ticket) for ticket in done]
    monkeypatch.setattr(archive_store, "DROP_EVENTS", text("SELECT 1 WHERE CAST(:ids AS bigint[]) IS NULL"))
    with pytest.raises(archive_store.LostInTheMove):
        archive(container)
    assert [where(engine, ticket) for ticket in done] == before


def test_a_line_of_history_leaves_for_the_archive_alone(engine: Engine, container: Container, done: list[int]) -> None:
    with pytest.raises(IntegrityError, match="append-only"), engine.begin() as connection:
        connection.execute(text("DELETE FROM ticket_events"))
    grow_old(engine, done)
    archive(container)
    for statement in ("UPDATE archived_ticket_events SET note = 'nice'", "DELETE FROM archived_ticket_events"):
        with pytest.raises(IntegrityError, match="append-only"), engine.begin() as connection:
            connection.execute(text(statement))


def test_what_is_kept_no_longer_goes_for_ever(container: Container, engine: Engine, done: list[int]) -> None:
    grow_old(engine, done[:1], days=400)
    grow_old(engine, done[1:], days=100)
    archive(container)
    store = PostgresArchive(engine)
    assert store.has_expired(older_than_s=365 * DAY_S)
    assert store.purge(older_than_s=365 * DAY_S, limit=10) == 1
    assert not store.has_expired(older_than_s=365 * DAY_S)
    assert where(engine, done[0]) == (0, 0, 0, 0)
    assert ids(engine, "archived_tickets") == done[1:]


def test_it_is_counted_what_was_moved_and_what_waits(container: Container, engine: Engine, done: list[int]) -> None:
    grow_old(engine, done)
    due = container.archiving.due(OLD_S)
    assert (due.tickets, due.is_exact) == (3, True)
    archive(container)
    [state] = PostgresArchive(engine).states()
    assert (state.what, state.done, state.waiting, state.behind_s) == ("archive", 3, 0, None)
    assert state.ended_s is not None
