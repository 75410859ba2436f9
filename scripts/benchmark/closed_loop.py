"""The load generator: connections that each send a request, wait for its reply and send the next.

One thread, epoll over sockets that do not block, requests written beforehand: it shares the cores with what it
measures, so each request may cost it little. What it costs beside others is in docs/adr/0027.
"""

from __future__ import annotations

import gc
import select
import socket
import time
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from scripts.benchmark.http_reply import NotHttpError, parse
from scripts.ports import LOOPBACK

_CHUNK = 262_144
_SILENCE_S = 60.0
_SUCCESS = range(200, 300)


@dataclass(frozen=True, slots=True)
class Turn:
    """One request to send: its bytes, what to call it in the figures, and who wants the body of its reply."""

    request: bytes
    kind: str = ""
    taken: Callable[[bytes], None] | None = None


NextTurn = Callable[[], Turn | None]
"""Say what to send next; None when there is nothing more."""


class SilenceError(Exception):
    """Say that a server under load has answered nobody for a long time."""


@dataclass(slots=True)
class Tally:
    """What came of a load: latencies in seconds by kind, and what went wrong."""

    seconds: float = 0.0
    latencies: dict[str, array[float]] = field(default_factory=lambda: defaultdict(lambda: array("d")))
    errors: Counter[str] = field(default_factory=Counter)
    reconnected: int = 0

    @property
    def done(self) -> int:
        """Count the requests that were answered as they should be."""
        return sum(map(len, self.latencies.values()))

    def add(self, other: Tally) -> None:
        """Take another load's figures in, as if it had been the same one."""
        self.seconds += other.seconds
        for kind, latencies in other.latencies.items():
            self.latencies[kind].extend(latencies)
        self.errors += other.errors
        self.reconnected += other.reconnected


class _Line:
    """One connection, and what is under way on it."""

    __slots__ = ("busy", "fresh", "open", "received", "sent_at", "socket", "turn")
    socket: socket.socket
    turn: Turn

    def __init__(self) -> None:
        self.open = self.busy = False
        self.received = b""
        self.sent_at = 0.0
        self.fresh = True


class Connections:
    """So many kept connections to one port. They are opened by their first request.

    gunicorn's threads wait for what a new connection has to say, so one that is open and says nothing would cost it.
    """

    def __init__(self, port: int, count: int) -> None:
        self._address = (LOOPBACK, port)
        self._epoll = select.epoll()
        self._lines = [_Line() for _ in range(count)]
        self._by_fd: dict[int, _Line] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for line in self._lines:
            self._hang_up(line)
        self._epoll.close()

    def drive(self, next_turn: NextTurn, *, seconds: float | None = None) -> Tally:
        """Let every connection take turns until there are none, or for so many seconds; then await what is under way.

        Raises `SilenceError`.
        """
        self._forget_the_closed()
        tally = Tally()
        gc.disable()  # a collection of all that the benchmark holds would be read as the server's latency
        began = time.perf_counter()
        try:
            self._run(next_turn, began + (seconds or float("inf")), tally)
        finally:
            gc.enable()
        tally.seconds = time.perf_counter() - began
        return tally

    def _run(self, next_turn: NextTurn, until: float, tally: Tally) -> None:
        clock = time.perf_counter
        under_way = 0
        for line in self._lines:
            turn = next_turn()
            if turn is None:
                break
            self._send(line, turn, tally)
            under_way += 1
        heard_at = clock()
        while under_way:
            events = self._epoll.poll(0.25, 256)
            now = clock()
            if events:
                heard_at = now
            elif now - heard_at > _SILENCE_S:
                raise SilenceError(f"no reply for {_SILENCE_S:.0f} s; {under_way} requests are waiting")
            for fd, _ in events:
                line = self._by_fd[fd]
                if not self._hear(line, tally):
                    continue
                turn = next_turn() if clock() < until else None
                if turn is None:
                    line.busy = False
                    under_way -= 1
                else:
                    self._send(line, turn, tally)

    def _send(self, line: _Line, turn: Turn, tally: Tally) -> None:
        if not line.open:
            self._connect(line)
        line.turn, line.busy, line.received, line.sent_at = turn, True, b"", time.perf_counter()
        self._write(line, turn.request, tally)

    def _write(self, line: _Line, data: bytes, tally: Tally) -> None:
        try:
            sent = line.socket.send(data)
            if sent < len(data):
                line.socket.setblocking(True)
                line.socket.sendall(data[sent:])
                line.socket.setblocking(False)
        except (BrokenPipeError, ConnectionResetError):
            self._again(line, tally)

    def _hear(self, line: _Line, tally: Tally) -> bool:
        """Read what came; say whether the turn is over."""
        try:
            data = line.socket.recv(_CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not line.busy:  # it hung up between two loads
            self._hang_up(line)
            return False
        received = line.received + data if line.received else data
        try:
            reply = parse(received, at_end=not data)
        except NotHttpError as exc:
            return self._fail(line, tally, str(exc))
        if reply is None and data:
            line.received = received
            return False
        if reply is None:
            return self._again(line, tally) if not received and not line.fresh else self._fail(line, tally, "closed")
        turn = line.turn
        if reply.status in _SUCCESS:
            tally.latencies[turn.kind].append(time.perf_counter() - line.sent_at)
            if turn.taken is not None:
                turn.taken(reply.body)
        else:
            tally.errors[f"{reply.status} {reply.body[:200].decode(errors='replace')}"] += 1
        line.fresh = False
        if reply.closes or not data:
            self._hang_up(line)
        return True

    def _again(self, line: _Line, tally: Tally) -> bool:
        """Send once more on a new connection: a server may close a kept one at the moment it is used."""
        self._hang_up(line)
        self._connect(line)
        tally.reconnected += 1
        self._write(line, line.turn.request, tally)
        return False

    def _fail(self, line: _Line, tally: Tally, why: str) -> bool:
        tally.errors[why] += 1
        self._hang_up(line)
        return True

    def _connect(self, line: _Line) -> None:
        line.socket = socket.create_connection(self._address, timeout=_SILENCE_S)
        line.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.socket.setblocking(False)
        line.open, line.fresh, line.received = True, True, b""
        self._by_fd[line.socket.fileno()] = line
        self._epoll.register(line.socket, select.EPOLLIN)

    def _hang_up(self, line: _Line) -> None:
        if line.open:
            del self._by_fd[line.socket.fileno()]
            self._epoll.unregister(line.socket)
            line.socket.close()
            line.open = False

    def _forget_the_closed(self) -> None:
        """Hang up where the server has done so since the last load, as it does after a pause."""
        for fd, _ in self._epoll.poll(0, max(1, len(self._lines))):
            if fd in self._by_fd:
                self._hang_up(self._by_fd[fd])
