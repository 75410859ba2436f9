"""Servers once per run, a database and a key prefix for each worker, everything emptied before each test."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest
from argon2 import PasswordHasher
from hypothesis import settings as hypothesis_settings
from redis import Redis
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url

from scripts.throwaway import servers
from service.config import Settings, load
from service.domain.model import Priority, QueuedTicket
from service.store import migrate
from service.store.engine import make_engine
from service.ticket_queue.client import make_client
from service.ticket_queue.keys import Keys
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.passwords import Passwords
from tests.emptying import empty

TEMPLATE = "fairdeal_template"
PASSWORD = "Correct-horse-7"
hypothesis_settings.register_profile("fairdeal", deadline=None)  # no test depends on how busy the machine is
hypothesis_settings.load_profile("fairdeal")

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def pytest_configure(config: pytest.Config) -> None:
    """Start the servers in the process that starts the workers, on first need of them."""
    if hasattr(config, "workerinput"):
        return
    for name in ("DATABASE_URL", "REDIS_URL"):
        os.environ.pop(name, None)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell an xdist worker where the servers are."""
    database_url, redis_url = _servers(node.config)
    node.workerinput["fairdeal_database_url"] = database_url
    node.workerinput["fairdeal_redis_url"] = redis_url


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what `_servers` started."""
    stack = getattr(config, "_fairdeal_stack", None)
    if stack is not None:
        stack.close()


def _servers(config: pytest.Config) -> tuple[str, str]:
    if not hasattr(config, "_fairdeal_servers"):
        stack = ExitStack()
        config._fairdeal_stack = stack  # type: ignore[attr-defined]
        started = stack.enter_context(servers())
        config._fairdeal_servers = (started.database_url, started.redis_url)  # type: ignore[attr-defined]
        _make_template(started.database_url)
    return config._fairdeal_servers  # type: ignore[attr-defined,no-any-return]


def _psycopg2(url: str, database: str | None = None) -> str:
    parsed = make_url(url).set(drivername="postgresql+psycopg2")
    if database is not None:
        parsed = parsed.set(database=database)
    return parsed.render_as_string(hide_password=False)


def _admin(url: str, *statements: str) -> None:
    engine = create_engine(_psycopg2(url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def _make_template(url: str) -> None:
    _admin(url, f"DROP DATABASE IF EXISTS {TEMPLATE}", f"CREATE DATABASE {TEMPLATE}")
    engine = create_engine(_psycopg2(url, TEMPLATE))
    migrate.upgrade(engine)
    engine.dispose()


@pytest.fixture(autouse=True)
def _leave_the_process_as_it_was() -> Iterator[None]:
    """Undo what a test that runs a command in this process does to logging and to signals."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    answered = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for number, handler in answered.items():
        if signal.getsignal(number) is not handler:
            signal.signal(number, handler)


@pytest.fixture(scope="session")
def _server_urls(request: pytest.FixtureRequest) -> tuple[str, str]:
    given = getattr(request.config, "workerinput", None)
    if given is not None:
        return given["fairdeal_database_url"], given["fairdeal_redis_url"]
    return _servers(request.config)


@pytest.fixture(scope="session")
def database_url(_server_urls: tuple[str, str], worker_name: str) -> str:
    """A migrated database of this worker's own."""
    name = f"fairdeal_{worker_name}"
    _admin(
        _server_urls[0],
        f"DROP DATABASE IF EXISTS {name} WITH (FORCE)",
        f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}",
    )
    return _psycopg2(_server_urls[0], name)


@pytest.fixture(scope="session")
def worker_name(request: pytest.FixtureRequest) -> str:
    """Name this xdist worker; "main" without xdist."""
    return getattr(request.config, "workerinput", {}).get("workerid", "main")


@pytest.fixture(scope="session")
def redis_url(_server_urls: tuple[str, str], worker_name: str) -> str:
    """A Redis database of this worker's own."""
    number = 0 if worker_name == "main" else int(worker_name.removeprefix("gw")) + 1
    return f"{_server_urls[1].removesuffix('/0').rstrip('/')}/{number}"


@pytest.fixture(scope="session")
def settings(database_url: str, redis_url: str, worker_name: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings that point at the throwaway servers."""
    return load(
        {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "JWT_SECRET_KEY": "a key that is good enough for tests",
            "VAR_DIR": str(tmp_path_factory.mktemp("var")),
            "QUEUE_PREFIX": f"test-{worker_name}",
            "REDIS_TIMEOUT_MS": "2000",
        }
    )


@pytest.fixture(scope="session")
def _session_engine(settings: Settings) -> Iterator[Engine]:
    engine = make_engine(
        settings.database_url, statement_timeout_ms=20_000, pool_size=70, application_name="fairdeal-tests"
    )
    yield engine
    engine.dispose()


@pytest.fixture
def engine(_session_engine: Engine) -> Engine:
    """An engine on the worker's database, emptied."""
    with _session_engine.begin() as connection:
        empty(connection)
    return _session_engine


@pytest.fixture
def redis_client(redis_url: str) -> Iterator[Redis]:
    """A client on the worker's Redis database, emptied."""
    client = make_client(redis_url, timeout_ms=5_000)
    client.flushdb()
    yield client
    client.close()


@pytest.fixture
def keys(settings: Settings) -> Keys:
    """The names of the keys the tests use."""
    return Keys(settings.queue_prefix)


@pytest.fixture
def queue(redis_client: Redis, keys: Keys) -> RedisTicketQueue:
    """An empty, trusted queue on the real server."""
    redis_client.set(keys.generation, "1")
    return RedisTicketQueue(redis_client, keys)


@pytest.fixture
def container(
    engine: Engine, queue: RedisTicketQueue, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """Everything wired on the emptied servers, with a trusted queue and passwords that are quickly checked."""
    from service.bootstrap import build_container

    monkeypatch.setattr("service.wiring.sign_in.Passwords", partial(Passwords, CHEAP))
    built = build_container(settings)
    yield built
    built.close()


@pytest.fixture
def make_user(engine: Engine) -> Callable[..., int]:
    """Insert a user (without a usable password) and return the id."""

    def make(username: str = "root", *, role: str = "admin", is_active: bool = True, email: str | None = None) -> int:
        query = text(
            "INSERT INTO users (username, email, role, password_hash, is_active)"
            " VALUES (:username, :email, :role, '!', :is_active) RETURNING id"
        )
        with engine.begin() as connection:
            values = {"username": username, "email": email, "role": role, "is_active": is_active}
            return connection.execute(query, values).scalar_one()

    return make


@pytest.fixture
def make_agent(engine: Engine, make_user: Callable[..., int]) -> Callable[..., int]:
    """Insert an agent and return the id."""

    def make(
        username: str = "ann",
        *,
        level: str = "junior",
        capacity: int = 15,
        availability: str = "available",
        auto_assign: bool = False,
        is_active: bool = True,
    ) -> int:
        user_id = make_user(username, role="agent", is_active=is_active)
        query = text(
            "INSERT INTO agents (id, level, capacity, availability, auto_assign)"
            " VALUES (:id, :level, :capacity, :availability, :auto_assign)"
        )
        with engine.begin() as connection:
            connection.execute(
                query,
                {
                    "id": user_id,
                    "level": level,
                    "capacity": capacity,
                    "availability": availability,
                    "auto_assign": auto_assign,
                },
            )
        return user_id

    return make


@pytest.fixture
def make_tickets(engine: Engine, queue: RedisTicketQueue) -> Callable[..., list[int]]:
    """Insert open tickets, queue them unless told otherwise, and return their ids."""

    def make(count: int, priority: str = "medium", *, enqueue: bool = True) -> list[int]:
        query = text(
            "INSERT INTO tickets (subject, priority) SELECT 'Ticket ' || n, :priority"
            " FROM generate_series(1, :count) AS n ORDER BY n RETURNING id"
        )
        with engine.begin() as connection:
            ids = sorted(connection.execute(query, {"priority": priority, "count": count}).scalars())
        if enqueue:
            queue.enqueue([QueuedTicket(ticket_id, Priority(priority)) for ticket_id in ids])
        return ids

    return make
