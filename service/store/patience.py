"""Bounded waiting for PostgreSQL: libpq waits for an answer for as long as the connection looks alive.

The server's timeouts end what runs too long, and keepalives notice a host that vanished. Neither helps where something
keeps the connection alive and says nothing: a stopped server process, a hung pooler, a proxy that lost the answer. Then
every thread would wait for ever. So whoever waits too long has the socket shut down, and libpq reports the connection
as lost.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import socket
import threading
import time
from typing import Any

from psycopg2.extensions import (
    ISOLATION_LEVEL_AUTOCOMMIT,
    ISOLATION_LEVEL_READ_COMMITTED,
    STATUS_READY,
    TRANSACTION_STATUS_IDLE,
)
from psycopg2.extensions import connection as psycopg2_connection
from psycopg2.extensions import cursor as psycopg2_cursor

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.25


class Watch:
    """Shut down sockets whose answer is overdue, by a thread that lives while somebody waits.

    One for each engine, and like the engine's pool not to be shared across a fork.
    """

    def __init__(self, patience_s: float, *, preface: str = "") -> None:
        """Make a watch that gives PostgreSQL `patience_s` seconds for each answer.

        `preface` goes before the first statement of each transaction, in the same message.
        """
        self._patience_s = patience_s
        self.preface = preface
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._waiting: dict[int, tuple[float, int]] = {}
        self._is_watching = False

    def waiting(self, descriptor: int) -> Wait:
        """Wrap one wait for an answer on a socket. The socket must stay open meanwhile."""
        return Wait(self, descriptor)

    def begin(self, descriptor: int) -> int:
        """Note that somebody waits from now on; return the number of this wait."""
        number = next(self._numbers)
        with self._lock:
            self._waiting[number] = (time.monotonic() + self._patience_s, descriptor)
            if not self._is_watching:
                threading.Thread(target=self._run, name="patience", daemon=True).start()
                self._is_watching = True
        return number

    def end(self, number: int) -> None:
        """Note that the answer has come, or will not."""
        with self._lock:
            self._waiting.pop(number, None)

    def _run(self) -> None:
        while True:
            time.sleep(LOOK_EVERY_S)
            with self._lock:  # held while shutting down: a number that has gone may have another socket by now
                now = time.monotonic()
                for number, (until, descriptor) in list(self._waiting.items()):
                    if until < now:
                        del self._waiting[number]
                        _shut_down(descriptor)
                        log.warning("store_silent", extra={"patience_s": self._patience_s})
                if not self._waiting:
                    self._is_watching = False
                    return

    def connection(self, *args: Any, **kwargs: Any) -> WatchedConnection:
        """Connect as psycopg2 does: what its `connection_factory` wants."""
        made = WatchedConnection(*args, **kwargs)
        made.watch = self
        made.cursor_factory = WatchedCursor
        return made


class Wait:
    """One wait for an answer. A class and not a generator, which costs more: there are some for each request."""

    __slots__ = ("_descriptor", "_number", "_watch")

    def __init__(self, watch: Watch, descriptor: int) -> None:
        self._watch, self._descriptor = watch, descriptor

    def __enter__(self) -> None:
        self._number = self._watch.begin(self._descriptor)

    def __exit__(self, *_: object) -> None:
        self._watch.end(self._number)


class WatchedConnection(psycopg2_connection):  # type: ignore[misc]
    """A connection whose commits and rollbacks do not wait for ever."""

    watch: Watch

    def waiting(self) -> contextlib.AbstractContextManager[None]:
        """Wrap one wait for an answer."""
        return self.watch.waiting(self.fileno())

    def commit(self) -> None:
        """Commit, or find the connection lost."""
        with self.waiting():
            super().commit()

    def rollback(self) -> None:
        """Roll back, or find the connection lost; without a transaction there is nothing to wait for."""
        if self.status == STATUS_READY and not self.closed:
            return
        with self.waiting():
            super().rollback()

    def set_isolation_level(self, level: int | None) -> None:
        """Turn autocommit on or off, without a word to the server.

        psycopg2 itself would send a `SET` whenever SQLAlchemy takes back a connection that it lent in autocommit: one
        more round trip, and an error outside of SQLAlchemy's care when the server has gone. Read committed is what the
        engine's sessions start with; no other level is used here.
        """
        if level in {ISOLATION_LEVEL_AUTOCOMMIT, ISOLATION_LEVEL_READ_COMMITTED}:
            self.autocommit = level == ISOLATION_LEVEL_AUTOCOMMIT
        else:
            super().set_isolation_level(level)


class WatchedCursor(psycopg2_cursor):  # type: ignore[misc]
    """A cursor whose statements do not wait for ever. Rows come with the answer, so that fetching never waits."""

    def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002 - psycopg2's name for it
        """Execute, or find the connection lost."""
        connection = self.connection
        if connection.watch.preface and connection.info.transaction_status == TRANSACTION_STATUS_IDLE:
            query = connection.watch.preface + query
        with connection.waiting():
            super().execute(query, vars)

    def copy_expert(self, sql: Any, file: Any, size: int = 65_536) -> None:
        """Copy rows, or find the connection lost."""
        with self.connection.waiting():
            super().copy_expert(sql, file, size)


def _shut_down(descriptor: int) -> None:
    """Shut a socket down under whoever waits for it; the descriptor stays theirs to close."""
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as ours:
        ours.shutdown(socket.SHUT_RDWR)
