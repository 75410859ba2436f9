"""The load generator against a server that answers as it is told, byte by byte if need be."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from scripts.benchmark.closed_loop import Connections, Tally, Turn
from scripts.benchmark.wire import request

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
PATIENCE_S = 30.0

Answer = Callable[[socket.socket, int], bool]
"""Answer the nth request of a connection; False hangs up."""


@contextmanager
def server(answer: Answer) -> Iterator[tuple[int, list[bytes]]]:
    """Serve until the end; yields the port and what was asked."""
    asked: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines:
            for nth in range(1_000_000):
                head = b"".join(iter(lines.readline, b"\r\n"))
                if not head:
                    return
                asked.append(head)
                if not answer(connection, nth):
                    return

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.settimeout(PATIENCE_S)
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield listener.getsockname()[1], asked
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join(PATIENCE_S)


def ok(connection: socket.socket, _nth: int) -> bool:
    connection.sendall(OK)
    return True


def drive(port: int, count: int, *, connections: int = 3, kind: str = "") -> tuple[Tally, list[bytes]]:
    bodies: list[bytes] = []
    left = iter([Turn(request("GET", f"/{n}"), kind, bodies.append) for n in range(count)])
    with Connections(port, connections) as lines:
        return lines.drive(lambda: next(left, None)), bodies


def test_every_turn_is_taken_once() -> None:
    with server(ok) as (port, asked):
        tally, bodies = drive(port, 50, kind="look")
    assert sorted(int(head.split()[1][1:]) for head in asked) == list(range(50))
    assert bodies == [b"hi"] * 50
    assert len(tally.latencies["look"]) == tally.done == 50
    assert not tally.errors


def test_fewer_turns_than_connections_are_enough() -> None:
    with server(ok) as (port, _):
        assert drive(port, 2, connections=40)[0].done == 2


def test_reply_in_pieces_is_put_together() -> None:
    def dribble(connection: socket.socket, _nth: int) -> bool:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in OK:
            connection.sendall(bytes([byte]))
        return True

    with server(dribble) as (port, _):
        tally, bodies = drive(port, 5)
    assert bodies == [b"hi"] * 5
    assert not tally.errors


def test_refusals_are_counted_by_what_they_say() -> None:
    def refuse(connection: socket.socket, _nth: int) -> bool:
        connection.sendall(b"HTTP/1.1 503 AWAY\r\nContent-Length: 4\r\n\r\naway")
        return True

    with server(refuse) as (port, _):
        tally, bodies = drive(port, 4)
    assert tally.errors == {"503 away": 4}
    assert (tally.done, bodies) == (0, [])


def test_connection_closed_after_a_reply_is_opened_anew() -> None:
    def once(connection: socket.socket, _nth: int) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi")
        return False

    with server(once) as (port, _):
        assert drive(port, 10)[0].done == 10


def test_request_on_a_kept_connection_that_was_just_closed_is_sent_again() -> None:
    def two_then_none(connection: socket.socket, nth: int) -> bool:
        return ok(connection, nth) if nth < 2 else False

    with server(two_then_none) as (port, _):
        tally, bodies = drive(port, 9, connections=1)
    assert bodies == [b"hi"] * 9
    assert tally.reconnected == 4
    assert not tally.errors


def test_new_connection_closed_without_a_word_is_an_error() -> None:
    with server(lambda _connection, _nth: False) as (port, _):
        tally, _ = drive(port, 3, connections=1)
    assert tally.errors == {"closed": 3}


def test_reply_that_breaks_off_is_an_error() -> None:
    def half(connection: socket.socket, _nth: int) -> bool:
        connection.sendall(OK[:-1])
        return False

    with server(half) as (port, _):
        tally, _ = drive(port, 2, connections=1)
    assert tally.errors == {"closed": 2}


def test_load_ends_after_its_time() -> None:
    with server(ok) as (port, _), Connections(port, 4) as lines:
        tally = lines.drive(lambda: Turn(request("GET", "/")), seconds=0.2)
        again = lines.drive(lambda: Turn(request("GET", "/")), seconds=0.2)
    assert min(tally.seconds, again.seconds) >= 0.2
    assert min(tally.done, again.done) >= 4


@pytest.mark.parametrize("body", [None, {"limit": 5}])
def test_large_requests_arrive_whole(body: object) -> None:
    long = request("POST", "/x", token="t" * 100_000, body=body)
    got: list[int] = []

    def measure(connection: socket.socket, nth: int) -> bool:
        return ok(connection, nth)

    with server(measure) as (port, asked), Connections(port, 1) as lines:
        left = iter([Turn(long)])
        lines.drive(lambda: next(left, None))
        got.append(len(asked[0]))
    assert got[0] > 100_000
