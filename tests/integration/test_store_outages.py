"""Whatever PostgreSQL and the way to it do, the store answers within bounds, and what it cannot do is one fact."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url

from scripts.waiting import wait_until
from service.config import Settings
from service.domain.errors import StoreUnavailable
from service.store.engine import ANSWER_GRACE_S, make_engine, statement, transaction
from service.store.health import PostgresProbe
from service.store.patience import Watch
from tests.faults.fault import Fault, Kind, Way
from tests.faults.proxy import Proxy

TIMEOUT_S = 0.5
COMMIT = b"COMMIT\0"
"""As the wire has it; `BEGIN ISOLATION LEVEL READ COMMITTED` is something else."""

TOO_LONG_S = 60.0
"""Far more than the patience, far less than for ever: the machine may be busy."""


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy(seed=11) as running:
        yield running


@pytest.fixture
def through(proxy: Proxy, engine: Engine, settings: Settings) -> Iterator[Engine]:
    """An engine that reaches the emptied database through the proxy."""
    url = make_url(settings.database_url)
    assert url.port is not None
    made = make_engine(
        url.set(port=proxy.listen(url.port)).render_as_string(hide_password=False),
        statement_timeout_ms=int(TIMEOUT_S * 1000),
        pool_size=4,
        application_name="fairdeal-outages",
    )
    _ask(made)
    yield made
    proxy.heal()
    made.dispose()


def _ask(engine: Engine) -> int:
    with statement(engine) as connection:
        return int(connection.execute(text("SELECT 7 AS answer")).scalar_one())


def _write(engine: Engine) -> None:
    with transaction(engine) as connection:
        connection.execute(text("INSERT INTO tickets (subject) VALUES ('written')"))


def _written(engine: Engine) -> int:
    with statement(engine) as connection:
        return int(connection.execute(text("SELECT count(*) FROM tickets WHERE subject = 'written'")).scalar_one())


@contextmanager
def _within_bounds() -> Iterator[None]:
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        yield
    assert time.monotonic() - began < TOO_LONG_S


@pytest.mark.parametrize("kind", [Kind.DROP_REPLY, Kind.DROP_REQUEST, Kind.BLACKHOLE])
def test_a_silent_connection_is_given_up(proxy: Proxy, through: Engine, kind: Kind) -> None:
    fault = proxy.inject(Fault(kind=kind, matching=b"AS answer"))
    with _within_bounds():
        _ask(through)
    assert fault.hits == 1
    proxy.heal()
    assert _ask(through) == 7


def test_a_lost_answer_to_a_commit_is_no_lost_write(proxy: Proxy, through: Engine, engine: Engine) -> None:
    proxy.inject(Fault(kind=Kind.DROP_REPLY, matching=COMMIT))
    with _within_bounds():
        _write(through)
    assert _written(engine) == 1


def test_a_lost_commit_is_rolled_back(proxy: Proxy, through: Engine, engine: Engine) -> None:
    proxy.inject(Fault(kind=Kind.DROP_REQUEST, matching=COMMIT))
    with _within_bounds():
        _write(through)
    assert _written(engine) == 0


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind=Kind.RESET, matching=b"AS answer"),
        Fault(kind=Kind.DROP_REPLY, matching=b"AS answer", hang=False),
        *(Fault(kind=Kind.CUT, way=Way.REPLY, matching=b"answer", cut_at=at) for at in (0, 1, 5, 20, 40)),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.cut_at}",
)
def test_a_broken_connection_is_one_fact(proxy: Proxy, through: Engine, fault: Fault) -> None:
    proxy.inject(fault)
    with _within_bounds():
        _ask(through)
    proxy.heal()
    assert _ask(through) == 7


def test_a_server_that_refuses_is_one_fact(proxy: Proxy, through: Engine) -> None:
    through.dispose()
    proxy.inject(Fault(kind=Kind.REFUSE))
    with _within_bounds():
        _ask(through)


def test_a_server_that_says_nothing_to_a_newcomer_is_one_fact(proxy: Proxy, through: Engine) -> None:
    through.dispose()
    proxy.inject(Fault(kind=Kind.BLACKHOLE))
    with _within_bounds():
        _ask(through)


def test_a_statement_is_one_round_trip_and_a_transaction_three(proxy: Proxy, through: Engine) -> None:
    """SQLAlchemy's own way of lending a connection in autocommit costs another, to take it back."""
    _ask(through)
    asked = proxy.inject(Fault(kind=Kind.DELAY))
    _ask(through)
    assert asked.hits == 1
    _write(through)
    assert asked.hits == 1 + 3


def test_a_connection_lost_on_its_way_back_to_the_pool_is_nobodys_trouble(through: Engine, engine: Engine) -> None:
    with statement(through) as connection:
        assert connection.execute(text("SELECT 7")).scalar_one() == 7
        with statement(engine) as other:
            assert other.execute(text(KILL)).scalars().all() == [True]
    assert _ask(through) == 7


KILL = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name = 'fairdeal-outages'"
)


def test_a_session_ended_at_work_is_one_fact(through: Engine, engine: Engine) -> None:
    with _within_bounds(), statement(through) as connection:
        with statement(engine) as other:
            assert other.execute(text(KILL)).scalars().all() == [True]
        connection.execute(text("SELECT 1"))
    assert _ask(through) == 7


def test_sessions_ended_while_nobody_used_them_are_nobodys_trouble(engine: Engine, settings: Settings) -> None:
    idle = make_engine(
        settings.database_url, statement_timeout_ms=5_000, pool_size=2, application_name="fairdeal-outages"
    )
    with statement(idle), statement(idle):
        pass
    with statement(engine) as connection:
        assert connection.execute(text(KILL)).scalars().all() == [True, True]
    assert [_ask(idle) for _ in range(3)] == [7, 7, 7]
    idle.dispose()


@pytest.mark.parametrize("how", [statement, transaction])
def test_a_server_that_takes_no_writes_is_one_fact(through: Engine, how: object) -> None:
    with _within_bounds(), how(through) as connection:  # type: ignore[operator]
        connection.execute(text("SET default_transaction_read_only = on"))
        connection.execute(text("SET transaction_read_only = on"))
        connection.execute(text("INSERT INTO tickets (subject) VALUES ('written')"))


def test_a_server_at_a_loss_is_one_fact(through: Engine) -> None:
    """A file that must not grow is an internal error to PostgreSQL, and so is this."""
    with _within_bounds(), statement(through) as connection:
        connection.execute(text("DO $$ BEGIN RAISE 'could not extend file' USING ERRCODE = 'XX000'; END $$"))


def test_a_server_that_takes_no_writes_is_not_ready(settings: Settings) -> None:
    url = make_url(settings.database_url)
    made = make_engine(
        url.update_query_dict({"options": "-c default_transaction_read_only=on"}).render_as_string(hide_password=False),
        statement_timeout_ms=5_000,
        pool_size=1,
        application_name="fairdeal-outages",
    )
    probe = PostgresProbe(made)
    with statement(made) as connection:
        connection.execute(text("SET default_transaction_read_only = on"))
    with pytest.raises(StoreUnavailable, match="takes no writes"):
        probe.ping()
    made.dispose()


def test_a_lock_held_too_long_is_one_fact(through: Engine, engine: Engine) -> None:
    _write(engine)
    with transaction(engine) as holder, _within_bounds():
        holder.execute(text("SELECT * FROM tickets FOR UPDATE"))
        with transaction(through) as connection:
            connection.execute(text("UPDATE tickets SET subject = 'mine'"))
    assert _written(engine) == 1


def test_a_slow_answer_in_time_is_no_fault(proxy: Proxy, through: Engine) -> None:
    proxy.inject(Fault(kind=Kind.DELAY, way=Way.REPLY, delay_s=ANSWER_GRACE_S / 4, times=3))
    assert _ask(through) == 7


def test_waiting_without_patience_goes_on_for_ever(proxy: Proxy, through: Engine) -> None:
    """What the watch is for: psycopg2 by itself is still waiting when a watched engine has long given up."""
    proxy.inject(Fault(kind=Kind.DROP_REPLY, matching=b"AS answer"))
    bare = psycopg2.connect(
        through.url.set(drivername="postgresql").render_as_string(hide_password=False),
        options=f"-c statement_timeout={int(TIMEOUT_S * 1000)}",
    )
    ended = threading.Event()

    def ask() -> None:
        with pytest.raises(psycopg2.OperationalError):
            bare.cursor().execute("SELECT 7 AS answer")
        ended.set()

    thread = threading.Thread(target=ask)
    thread.start()
    with _within_bounds():
        _ask(through)
    assert not ended.is_set()
    proxy.heal()
    thread.join(10)
    assert ended.is_set()
    bare.close()


def test_the_watch_sleeps_when_nobody_waits() -> None:
    watch = Watch(patience_s=30)
    with watch.waiting(0):
        assert any(thread.name == "patience" for thread in threading.enumerate())
    assert wait_until(lambda: not watch._is_watching, 10)
