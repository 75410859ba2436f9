"""Batches go in by COPY, also where somebody creates the same ticket at that very moment or the connection ends."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, Engine, text

from scripts.waiting import wait_until
from service.bootstrap import Container
from service.domain.errors import StoreUnavailable
from service.usecases.ticket_files import FileFormat
from service.usecases.ticket_import import ImportBatch

CONTENT = b"subject,external_id\nOne,a\nTwo,\nThree,b\nFour,a\n"
BLOCKED = text("""
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND query LIKE 'COPY tickets%' AND wait_event_type = 'Lock'
""")


def load(container: Container) -> list[ImportBatch]:
    return list(container.ticket_import.batches(io.BytesIO(CONTENT), format=FileFormat.CSV, actor_id=None))


@contextmanager
def created_meanwhile(engine: Engine) -> Iterator[Connection]:
    """Create ticket "a" by hand, and do not commit yet."""
    with engine.connect() as connection, connection.begin():
        connection.execute(text("INSERT INTO tickets (subject, external_id) VALUES ('By hand', 'a')"))
        yield connection


def blocked(engine: Engine) -> int:
    """Wait until a COPY waits for somebody; return its server process."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        assert wait_until(lambda: connection.execute(BLOCKED).scalar_one_or_none() is not None, 30)
        pid: int = connection.execute(BLOCKED).scalar_one()
        return pid


def subjects(engine: Engine) -> list[tuple[str, str | None]]:
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT subject, external_id FROM tickets ORDER BY id"))
        return [(row.subject, row.external_id) for row in rows]


def test_a_ticket_created_by_hand_at_the_same_moment_is_there_once(container: Container, engine: Engine) -> None:
    with ThreadPoolExecutor(1) as pool:
        with created_meanwhile(engine):
            loading: Future[list[ImportBatch]] = pool.submit(load, container)
            blocked(engine)
        [batch] = loading.result(30)
    assert [row.is_new for row in batch.rows] == [False, True, True, False]
    assert batch.rows[0].ticket_id == batch.rows[3].ticket_id
    assert subjects(engine) == [("By hand", "a"), ("Two", None), ("Three", "b")]
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM ticket_events WHERE cause = 'import'")).scalar_one() == 2


def test_a_connection_lost_while_copying_is_a_fact_and_the_next_import_has_another(
    container: Container, engine: Engine
) -> None:
    with ThreadPoolExecutor(1) as pool, created_meanwhile(engine) as creating:
        loading = pool.submit(load, container)
        creating.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": blocked(engine)})
        with pytest.raises(StoreUnavailable, match="whether lines 2 to 5 were imported is unknown"):
            loading.result(30)
        creating.rollback()
    assert subjects(engine) == []
    [batch] = load(container)
    assert [row.is_new for row in batch.rows] == [True, True, True, False]


def test_history_has_a_line_for_each_ticket_copied_as_for_any_other(container: Container, engine: Engine) -> None:
    load(container)
    with engine.connect() as connection:
        rows = connection.execute(
            text("""
            SELECT t.id, e.cause, e.from_status, e.to_status, e.actor_id, e.epoch, e.priority, e.agent_id,
                   e.xact IS NOT NULL AND e.at IS NOT NULL AS stamped
            FROM tickets t LEFT JOIN ticket_events e ON e.ticket_id = t.id ORDER BY t.id
        """)
        ).all()
    assert [tuple(row) for row in rows] == [
        (row.id, "import", None, "open", None, 0, "medium", None, True) for row in rows
    ]
    assert len(rows) == 3


def test_statistics_are_brought_up_to_date_when_there_are_many_more_tickets(
    container: Container, engine: Engine
) -> None:
    """An import waits for that: a quarter of a second where there are a million."""

    def add(count: int) -> None:
        with engine.begin() as connection:
            many = text("INSERT INTO tickets (subject) SELECT 'x' FROM generate_series(1, :count)")
            connection.execute(many, {"count": count})

    def known() -> int:
        with engine.connect() as connection:
            return int(
                connection.execute(text("SELECT reltuples FROM pg_class WHERE relname = 'tickets'")).scalar_one()
            )

    add(1_000)
    container.tickets.refresh_statistics(new=1_000)
    assert known() == 1_000
    add(99)
    container.tickets.refresh_statistics(new=99)
    assert known() == 1_000
    container.tickets.refresh_statistics(new=100)
    assert known() == 1_099
