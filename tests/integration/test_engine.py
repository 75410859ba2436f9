"""The engine while PostgreSQL ends sessions: every failure is `StoreUnavailable`, and nothing else."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, text

from service.domain.errors import StoreUnavailable
from service.store.engine import make_engine, statement, transaction
from service.store.prepared import Prepared

THREADS, ROUNDS = 6, 300

END_SESSIONS = text(
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name = 'fairdeal-ended'"
)


ONE = Prepared("one", "SELECT CAST(:number AS integer)", number="integer")


def ask_in_autocommit(engine: Engine) -> None:
    with statement(engine) as connection:
        connection.execute(text("SELECT 1"))


def ask_in_a_transaction(engine: Engine) -> None:
    with transaction(engine) as connection:
        connection.execute(text("SELECT 1"))


def ask_prepared(engine: Engine) -> None:
    assert ONE.rows(engine, {"number": 1}) == [(1,)]


ASKING = (ask_in_autocommit, ask_in_a_transaction, ask_prepared)


@pytest.fixture
def ended(database_url: str) -> Iterator[Engine]:
    made = make_engine(database_url, statement_timeout_ms=5_000, pool_size=THREADS, application_name="fairdeal-ended")
    yield made
    made.dispose()


def test_sessions_ended_at_any_moment_are_told_as_facts(engine: Engine, ended: Engine) -> None:
    done = threading.Event()

    def end_sessions() -> None:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            while not done.wait(0.01):
                connection.execute(END_SESSIONS)

    def work(number: int) -> Counter[str]:
        seen: Counter[str] = Counter()
        for step in range(ROUNDS):
            try:
                ASKING[(number + step) % len(ASKING)](ended)
                seen["ok"] += 1
            except StoreUnavailable:
                seen["unavailable"] += 1
        return seen

    with ThreadPoolExecutor(THREADS + 1) as pool:
        ending = pool.submit(end_sessions)
        try:
            seen = sum((future.result() for future in [pool.submit(work, n) for n in range(THREADS)]), Counter[str]())
        finally:
            done.set()
        ending.result()
    assert seen["ok"] > 0
    assert seen["unavailable"] > 0, "sessions were ended while they were used"
    assert seen.total() == THREADS * ROUNDS
