"""The pool of connections to Redis: who was used last is lent, and looked at only where it lay idle."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from redis.connection import Connection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from service.redis_servers import quick_pool
from service.redis_servers.clients import make_client
from service.redis_servers.quick_pool import PlainConnection, QuickPool


class Lent(Connection):
    """A connection to nowhere that says whether something can be read from it, and remembers being asked."""

    def __init__(self, can_read: bool | Exception = False, **options: Any) -> None:
        super().__init__(**options)
        self.answer, self.asked, self.closed = can_read, 0, 0

    @property
    def is_connected(self) -> bool:
        return not self.closed

    def connect(self) -> None:
        """Pretend."""

    def can_read(self, timeout: float = 0) -> bool:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def disconnect(self, *_: object, **__: object) -> None:
        self.closed += 1


@pytest.fixture
def pool() -> QuickPool:
    return QuickPool(connection_class=Lent)


def idle(pool: QuickPool, connection: Lent, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    pool.release(connection)
    later = time.monotonic() + seconds
    monkeypatch.setattr(quick_pool, "monotonic", lambda: later)


def test_the_connection_used_last_is_lent_without_a_look(pool: QuickPool) -> None:
    first, second = pool.get_connection(), pool.get_connection()
    asked = second.asked  # type: ignore[attr-defined]
    for connection in (first, second):
        pool.release(connection)
    assert pool.get_connection() is second
    assert second.asked == asked  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("says", "closed"),
    [(False, 0), (True, 1), (RedisConnectionError(), 1), (RedisTimeoutError(), 1), (OSError(), 1)],
    ids=repr,
)
def test_one_that_lay_idle_is_closed_if_something_is_wrong_with_it(
    pool: QuickPool, monkeypatch: pytest.MonkeyPatch, says: bool | Exception, closed: int
) -> None:
    connection = Lent(says)
    idle(pool, connection, monkeypatch, 2 * quick_pool.IDLE_S)
    assert pool.get_connection() is connection
    assert (connection.asked, connection.closed) == (1, closed)


def test_one_that_was_closed_is_not_asked_which_would_connect_it(
    pool: QuickPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = Lent(True)
    connection.disconnect()
    idle(pool, connection, monkeypatch, 60)
    assert pool.get_connection() is connection
    assert connection.asked == 0


def test_a_forks_parents_connections_are_left_alone(pool: QuickPool) -> None:
    parents = Lent()
    pool.release(parents)
    parents.pid = os.getpid() + 1
    assert pool.get_connection() is not parents
    assert parents.closed == 0


def test_closing_the_pool_closes_what_is_idle(pool: QuickPool) -> None:
    connection = pool.get_connection()
    pool.release(connection)
    pool.disconnect()
    assert connection.closed == 1  # type: ignore[attr-defined]


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A server that takes connections and says nothing."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        kept: list[socket.socket] = []

        def take() -> None:
            while True:
                try:
                    kept.append(server.accept()[0])
                except OSError:
                    return

        threading.Thread(target=take, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        for each in kept:
            each.close()


def test_a_silent_server_is_waited_for_no_longer_than_asked(silent_port: int) -> None:
    client = make_client(f"redis://127.0.0.1:{silent_port}", timeout_ms=150, text=True)
    assert client.connection_pool.connection_class is PlainConnection
    began = time.monotonic()
    with pytest.raises(RedisTimeoutError, match="Timeout reading"):
        client.execute_command("ECHO", "x")  # type: ignore[no-untyped-call]
    assert 0.1 < time.monotonic() - began < 2


@pytest.mark.parametrize("url", ["rediss://127.0.0.1:1", "unix:///nowhere"])
def test_other_sockets_keep_their_own_ways(url: str) -> None:
    assert make_client(url, timeout_ms=150, text=True).connection_pool.connection_class is not PlainConnection
