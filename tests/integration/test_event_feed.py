"""The history as an outbox: every line once, to each reader, however writers commit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection, Engine, text

from service.domain.model import Cause
from service.store.engine import transaction
from service.store.event_feed import Transaction, read_on

MAILS, HOOKS = "mails", "hooks"
ADD = text("""
INSERT INTO ticket_events (ticket_id, cause, to_status, epoch)
SELECT ticket_id, 'create', 'open', 0 FROM unnest(CAST(:ids AS bigint[])) AS ticket_id
""")


def add(connection: Connection, *ticket_ids: int) -> None:
    connection.execute(ADD, {"ids": list(ticket_ids)})


Read = Callable[..., list[list[int]]]
LONG_ENOUGH_S = 30.0


@pytest.fixture
def read(engine: Engine) -> Read:
    """Read on, and return the tickets of each transaction."""

    def read_tickets(reader: str = MAILS, *, limit: int = 100) -> list[list[int]]:
        with transaction(engine) as connection:
            return [_tickets(each) for each in read_on(connection, reader, limit=limit)]

    return read_tickets


@pytest.fixture
def calm(engine: Engine) -> Callable[[], None]:
    """Wait until all that was committed can be read: transactions of other tests on the server hold readers up."""
    query = text("SELECT coalesce(max(xact) < pg_snapshot_xmin(pg_current_snapshot()), true) FROM ticket_events")

    def wait() -> None:
        until = time.monotonic() + LONG_ENOUGH_S
        while time.monotonic() < until:
            with engine.connect() as connection:
                if connection.execute(query).scalar_one():
                    return
            time.sleep(0.01)
        raise AssertionError("Something on the server has been open for too long")

    return wait


@pytest.fixture
def read_calmly(read: Read, calm: Callable[[], None]) -> Read:
    """Read on when all that was committed can be read."""

    def read_tickets(*reader: str, limit: int = 100) -> list[list[int]]:
        calm()
        return read(*reader, limit=limit)

    return read_tickets


def _tickets(each: Transaction) -> list[int]:
    return [event.ticket_id for event in each.events]


def test_each_reader_gets_every_line_once(engine: Engine, read: Read, read_calmly: Read) -> None:
    with engine.begin() as connection:
        add(connection, 1, 2)
    with engine.begin() as connection:
        add(connection, 3)
    assert read_calmly() == [[1, 2], [3]]
    assert read() == []
    assert read_calmly(HOOKS) == [[1, 2], [3]]
    with engine.begin() as connection:
        add(connection, 4)
    assert read_calmly() == [[4]]
    assert read_calmly(HOOKS) == [[4]]


def test_a_line_that_commits_late_is_not_passed_over(engine: Engine, read: Read, read_calmly: Read) -> None:
    with engine.connect() as slow:
        add(slow, 1)  # has its id, and is not committed
        with engine.begin() as quick:
            add(quick, 2)
        assert read() == [], "the line of 2 waits for what began before it"
        slow.commit()
    assert read_calmly() == [[1], [2]]


def test_what_was_rolled_back_is_never_read_and_holds_nothing_up(engine: Engine, read_calmly: Read) -> None:
    with engine.connect() as connection:
        add(connection, 1)
        connection.rollback()
    with engine.begin() as connection:
        add(connection, 2)
    assert read_calmly() == [[2]]


def test_a_reader_that_fails_reads_the_same_again(engine: Engine, read_calmly: Read, calm: Callable[[], None]) -> None:
    with engine.begin() as connection:
        add(connection, 1)
    calm()
    with engine.connect() as connection:
        assert [_tickets(each) for each in read_on(connection, MAILS, limit=9)] == [[1]]
        connection.rollback()
    assert read_calmly() == [[1]]


def test_two_at_once_for_the_same_reader_do_not_read_the_same(
    engine: Engine, read: Read, calm: Callable[[], None]
) -> None:
    assert read() == []
    with engine.begin() as connection:
        add(connection, 1)
    calm()
    with engine.connect() as first:
        assert [_tickets(each) for each in read_on(first, MAILS, limit=9)] == [[1]]
        assert read() == []
        first.commit()
    assert read() == []


def test_a_transaction_comes_whole_unless_it_is_larger_than_a_page(engine: Engine, read_calmly: Read) -> None:
    for ticket_ids in ([1, 2], [3, 4], [5, 6, 7, 8, 9]):
        with engine.begin() as connection:
            add(connection, *ticket_ids)
    assert read_calmly(limit=3) == [[1, 2]]
    assert read_calmly(limit=3) == [[3, 4]]
    assert read_calmly(limit=3) == [[5, 6, 7]]
    assert read_calmly(limit=3) == [[8, 9]]
    assert read_calmly(limit=3) == []


def test_lines_older_than_the_feed_are_nobodys_news(engine: Engine, read: Read, read_calmly: Read) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO ticket_events (ticket_id, cause, epoch, xact) VALUES (1, 'create', 0, NULL)")
        )
    assert read() == []


def test_what_a_line_says_arrives(engine: Engine, calm: Callable[[], None]) -> None:
    with engine.begin() as connection:
        add(connection, 7)
    calm()
    with transaction(engine) as connection:
        [only] = read_on(connection, MAILS, limit=9)
    assert (only.xact > 0, only.events[0].cause, only.events[0].epoch) == (True, Cause.CREATE, 0)


def test_under_writers_nothing_is_lost_and_nothing_read_twice(
    engine: Engine, read: Read, calm: Callable[[], None]
) -> None:
    writers, each_writes = 8, 40

    def write(writer: int) -> None:
        for number in range(each_writes):
            with engine.connect() as connection:
                add(connection, writer * 1_000 + number)
                if number % 7 == 0:
                    connection.rollback()
                else:
                    connection.commit()

    seen: list[int] = []
    done = threading.Event()

    def follow() -> None:
        while True:
            if last := done.is_set():
                calm()
            found = [ticket_id for group in read(limit=10) for ticket_id in group]
            seen.extend(found)
            if last and not found:
                return

    with ThreadPoolExecutor(writers + 1) as pool:
        following = pool.submit(follow)
        list(pool.map(write, range(writers)))
        done.set()
        following.result()
    assert sorted(seen) == sorted(
        writer * 1_000 + number for writer in range(writers) for number in range(each_writes) if number % 7
    )
