"""Prepared statements: kept on each connection, done without where they have gone, and failing as all others do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from service.domain.errors import StoreUnavailable
from service.store.engine import make_engine, statement, transaction
from service.store.prepared import Prepared

DOUBLE = Prepared("double", "SELECT 2 * :number, :word", number="integer", word="text")
PID = Prepared("pid", "SELECT pg_backend_pid()")
WRITE = Prepared(
    "write", "INSERT INTO leases (name, holder, expires_at) VALUES (:name, 'me', now()) RETURNING name", name="text"
)
ON_THE_SERVER = "SELECT name FROM pg_prepared_statements WHERE starts_with(name, 'fairdeal_')"


def made(database_url: str, **options: Any) -> Engine:
    """Make an engine with one connection, so that every statement meets the same one."""
    return make_engine(
        database_url, statement_timeout_ms=5_000, pool_size=1, application_name="fairdeal-prepared", **options
    )


@pytest.fixture
def one(engine: Engine, database_url: str) -> Iterator[Engine]:
    lending = made(database_url)
    yield lending
    lending.dispose()


def say(engine: Engine, sql: str) -> list[Any]:
    """Say something on the connection that is lent next."""
    with statement(engine) as connection:
        found = connection.exec_driver_sql(sql)
        return list(found.scalars()) if found.returns_rows else []


def test_a_statement_is_kept_on_the_connection_that_carried_it_out(one: Engine) -> None:
    for number in range(3):
        assert DOUBLE.rows(one, {"number": number, "word": "a 'word' of 100%"}) == [(2 * number, "a 'word' of 100%")]
    assert say(one, ON_THE_SERVER) == [DOUBLE.name]


@pytest.mark.parametrize("loss", ["DISCARD ALL", "DEALLOCATE ALL"])
def test_a_statement_that_the_server_has_forgotten_is_carried_out_all_the_same(one: Engine, loss: str) -> None:
    DOUBLE.rows(one, {"number": 1, "word": ""})
    say(one, loss)
    for number in (2, 3):
        assert DOUBLE.rows(one, {"number": number, "word": "x"}) == [(2 * number, "x")]
    assert say(one, ON_THE_SERVER) == [DOUBLE.name], "and is prepared again"


def test_a_statement_that_somebody_else_has_prepared_there_is_used(one: Engine) -> None:
    """Behind a pooler the server connection may have been another client's, whose names tell the same texts."""
    say(one, DOUBLE.prepare)
    assert DOUBLE.rows(one, {"number": 4, "word": "x"}) == [(8, "x")]


def test_a_change_of_the_schema_under_a_prepared_statement_is_outlived(one: Engine) -> None:
    everything = Prepared("everything", "SELECT * FROM changing")
    say(one, "CREATE TABLE changing (a) AS SELECT 1")
    try:
        assert everything.rows(one, {}) == [(1,)]
        say(one, "ALTER TABLE changing ADD COLUMN b integer DEFAULT 2")
        assert everything.rows(one, {}) == [(1, 2)]
        assert everything.rows(one, {}) == [(1, 2)]
        assert say(one, ON_THE_SERVER) == [everything.name]
    finally:
        say(one, "DROP TABLE changing")


def test_a_new_connection_prepares_for_itself(one: Engine, engine: Engine) -> None:
    [(pid,)] = PID.rows(one, {})
    say(engine, f"SELECT pg_terminate_backend({pid}, 10000)")
    [(after,)] = PID.rows(one, {})
    assert after != pid
    assert say(one, ON_THE_SERVER) == [PID.name]


def test_nothing_is_kept_where_a_pooler_lends_connections_for_a_transaction(engine: Engine, database_url: str) -> None:
    off = made(database_url, prepares=False)
    try:
        for number in range(3):
            assert DOUBLE.rows(off, {"number": number, "word": "100%"}) == [(2 * number, "100%")]
        assert say(off, ON_THE_SERVER) == []
    finally:
        off.dispose()
    assert engine is not off


def test_what_it_changes_is_committed_and_the_next_transaction_is_one(one: Engine, engine: Engine) -> None:
    assert WRITE.rows(one, {"name": "kept"}) == [("kept",)]
    with transaction(one) as connection:
        connection.execute(text("DELETE FROM leases"))
        connection.rollback()
    assert say(engine, "SELECT name FROM leases") == ["kept"]


def test_a_constraint_is_told_as_by_any_other_statement(one: Engine) -> None:
    WRITE.rows(one, {"name": "twice"})
    with pytest.raises(IntegrityError) as caught:
        WRITE.rows(one, {"name": "twice"})
    assert caught.value.orig is not None
    assert caught.value.orig.diag.constraint_name == "leases_pkey"
    assert DOUBLE.rows(one, {"number": 1, "word": "x"}) == [(2, "x")], "the connection is as good as before"


def test_a_server_that_takes_no_writes_is_unavailable(one: Engine) -> None:
    WRITE.rows(one, {"name": "first"})
    say(one, "SET default_transaction_read_only = on")
    with pytest.raises(StoreUnavailable):
        WRITE.rows(one, {"name": "second"})


def test_a_statement_that_takes_too_long_is_unavailable(one: Engine) -> None:
    sleep = Prepared("sleep", "SELECT pg_sleep(:seconds)", seconds="double precision")
    say(one, "SET statement_timeout = '200ms'")
    with pytest.raises(StoreUnavailable):
        sleep.rows(one, {"seconds": 60})


def test_a_server_that_cannot_be_reached_is_unavailable() -> None:
    nowhere = made("postgresql+psycopg2://nobody@127.0.0.1:1/none")
    with pytest.raises(StoreUnavailable):
        PID.rows(nowhere, {})
