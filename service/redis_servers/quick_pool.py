"""A pool for one server whose connections go from hand to hand without a stop.

Every lock, and every call to the system, is a place where a thread gives the interpreter up and queues for it again. Of
what a command and 200 us of Python take each of twelve threads, redis-py's own pool had a quarter (docs/adr/0049).
"""

from __future__ import annotations

import os
import socket
import struct
from collections import deque
from time import monotonic
from typing import Any

from redis.connection import Connection, ConnectionPool
from redis.exceptions import ConnectionError, TimeoutError  # noqa: A004 - redis-py's own

IDLE_S = 0.1
"""A connection used less long ago is lent without a look whether the server has ended it: it may do so after the look,
too, and who finds it ended does without the queue."""


class QuickPool(ConnectionPool):
    """Lend the connection used last. New connections, and the end of all, are redis-py's business."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._idle: deque[tuple[Connection, float]] = deque()

    def get_connection(self, command_name: str | None = None, *keys: Any, **options: Any) -> Connection:  # noqa: ARG002
        """Lend a connection that is ready for a command. Raises what redis-py raises where none can be made."""
        pid = os.getpid()
        while True:
            try:
                connection, since = self._idle.pop()
            except IndexError:
                made: Connection = super().get_connection()
                return made
            if connection.pid != pid:  # a fork's parent has it
                continue
            if monotonic() - since > IDLE_S:
                _close_if_over(connection)
            return connection

    def release(self, connection: Any) -> None:
        """Take a connection back. What was closed meanwhile connects again by itself."""
        if connection.should_reconnect() or not self.owns_connection(connection):
            super().release(connection)
        else:
            self._idle.append((connection, monotonic()))


def _close_if_over(connection: Connection) -> None:
    """Close a connection that the server has ended, or on which something waits that nobody has asked for."""
    try:
        is_over = connection.is_connected and connection.can_read()
    except (ConnectionError, TimeoutError, OSError):
        is_over = True
    if is_over:
        connection.disconnect()  # type: ignore[no-untyped-call]


class PlainConnection(Connection):
    """A connection by TCP whose waits are bounded by the kernel: Python's own timeouts ask it twice for each one."""

    def _connect(self) -> socket.socket:
        made: socket.socket = super()._connect()  # type: ignore[no-untyped-call]
        seconds, microseconds = divmod(int((self.socket_timeout or 0) * 1_000_000), 1_000_000)  # 0: no bound
        bound = struct.pack("@ll", seconds, microseconds)
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            made.setsockopt(socket.SOL_SOCKET, option, bound)
        made.settimeout(None)
        return made

    def read_response(self, *args: Any, **options: Any) -> Any:
        """Read an answer. Raises what redis-py raises, which takes a bound of the kernel's for a broken connection."""
        try:
            return super().read_response(*args, **options)
        except ConnectionError as exc:
            if isinstance(exc.__context__, BlockingIOError):
                raise TimeoutError(f"Timeout reading from {self.host}:{self.port}") from exc
            raise
