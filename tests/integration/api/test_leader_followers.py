"""Connections of a worker whose threads wait for requests themselves: none is lost, none is in anybody's way."""

from __future__ import annotations

import contextlib
import http.client
import select
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER

from scripts.ports import free_port
from scripts.waiting import wait_until
from tests.integration.api.web_server import ROOT

pytestmark = pytest.mark.skipif(not hasattr(select, "epoll"), reason="Linux alone has epoll")

PATIENCE_S = 20
KEEPALIVE_S = 1


class Worker:
    """gunicorn with one process of two threads, and up to six connections."""

    THREADS = 2
    CONNECTIONS = 6

    def __init__(self, directory: Path, stack: contextlib.ExitStack, **more: str) -> None:
        self.port, self.log, self._stack = free_port(), directory / "gunicorn.log", stack
        options = {
            "worker-class": "service.leader_followers.LeaderFollowersWorker", "bind": f"127.0.0.1:{self.port}",
            "threads": str(self.THREADS), "worker-connections": str(self.CONNECTIONS), "workers": "1",
            "keep-alive": str(KEEPALIVE_S), "graceful-timeout": "10", **more,
        }  # fmt: skip
        flags = [f"--{name}={value}" for name, value in options.items()]
        command = [
            sys.executable,
            "-m",
            "gunicorn",
            "--no-control-socket",
            *flags,
            "tests.integration.api.plain_app:app",
        ]
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)
        stack.callback(self._end)
        assert wait_until(self._is_there, PATIENCE_S), self.log.read_text()

    def _is_there(self) -> bool:
        with contextlib.suppress(OSError):
            return self.ask().status == 200
        return False

    def _end(self) -> None:
        self.process.kill()
        self.process.wait()

    def connect(self) -> http.client.HTTPConnection:
        made = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        made.connect()
        self._stack.callback(made.close)
        return made

    def ask(self, path: str = "/", body: bytes | None = None) -> http.client.HTTPResponse:
        """Ask by a connection of its own, which is closed then."""
        with contextlib.closing(self.connect()) as connection:
            return answer(connection, path, body)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=PATIENCE_S)


def answer(
    connection: http.client.HTTPConnection, path: str = "/", body: bytes | None = None
) -> http.client.HTTPResponse:
    connection.request("GET" if body is None else "POST", path, body)
    response = connection.getresponse()
    response.read()
    return response


def is_over(connection: http.client.HTTPConnection) -> bool:
    """Say whether the server has ended a connection on which nothing was asked."""
    return bool(select.select([connection.sock], [], [], 0)[0]) and not connection.sock.recv(1)


Start = Callable[..., Worker]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with contextlib.ExitStack() as stack:
        yield lambda **more: Worker(tmp_path, stack, **more)


def test_a_connection_may_ask_again_and_again(start: Start) -> None:
    worker = start()
    connection = worker.connect()
    for n in range(20):
        assert answer(connection, "/echo", b"x" * n).length == 0
        assert connection.sock is not None, "kept alive"


def test_requests_that_came_together_are_all_answered(start: Start) -> None:
    worker = start()
    with socket.create_connection(("127.0.0.1", worker.port), timeout=PATIENCE_S) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
        received = b""
        while received.count(b"fine") < 3:
            more = connection.recv(4096)
            assert more, "ended before all were answered"
            received += more
        assert received.count(b"HTTP/1.1 200") == 3


@pytest.mark.parametrize("size", [10, 60_000])
def test_a_body_that_nobody_reads_is_neither_a_request_nor_in_the_way(start: Start, size: int) -> None:
    worker = start(**{"keep-alive": "30"})
    connections = [worker.connect() for _ in range(worker.THREADS + 1)]
    for connection in (*connections, *connections):
        assert answer(connection, "/", b"G" * size).status == 200
    assert worker.ask("/echo", b"read").status == 200


def test_who_says_nothing_takes_no_thread(start: Start) -> None:
    worker = start(**{"keep-alive": "30"})
    silent = [worker.connect() for _ in range(worker.THREADS + 1)]
    assert answer(silent[-1]).status == worker.ask().status == 200


def test_who_is_silent_for_long_is_shown_the_door_and_holds_nobody_up(start: Start) -> None:
    """Also where they take no notice: waiting for each to say goodbye would take two seconds each."""
    worker = start(**{"worker-connections": "100"})
    silent = [worker.connect() for _ in range(40)]
    answer(silent[0])
    assert wait_until(lambda: all(is_over(connection) for connection in silent), PATIENCE_S)
    assert worker.ask().status == 200


def busy(worker: Worker, gate: Path) -> list[http.client.HTTPConnection]:
    """Occupy all threads until the gate is there."""
    connections = []
    for number in range(worker.THREADS):
        own = gate.with_name(f"{gate.name}-{number}")
        connection = worker.connect()
        connection.request("GET", f"/wait?{own}")
        assert wait_until(own.with_suffix(".begun").exists, PATIENCE_S)
        connections.append(connection)
    return connections


def free(worker: Worker, gate: Path) -> None:
    for number in range(worker.THREADS):
        gate.with_name(f"{gate.name}-{number}").touch()


@pytest.mark.parametrize("is_stopping", [False, True])
def test_who_waits_for_a_thread_with_a_request_is_not_silent(start: Start, tmp_path: Path, is_stopping: bool) -> None:
    worker, gate = start(), tmp_path / "gate"
    late = worker.connect()
    answer(late)
    under_way = busy(worker, gate)
    late.request("GET", "/")
    if is_stopping:
        worker.process.send_signal(signal.SIGTERM)
    assert not select.select([late.sock], [], [], 3 * max(KEEPALIVE_S, STOP_KEEPALIVE_LINGER) / 2)[0]
    free(worker, gate)
    assert [connection.getresponse().status for connection in (late, *under_way)] == [200] * 3


def test_who_resets_at_once_harms_nobody(start: Start) -> None:
    """Health checks of balancers do that. The thread that is told of it may be through before the main thread."""
    worker = start()
    for _ in range(2_000):
        with socket.create_connection(("127.0.0.1", worker.port), timeout=PATIENCE_S) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert worker.ask().status == 200
    assert worker.log.read_text().count("Booting worker") == 1


def test_who_asks_in_time_may_stay(start: Start) -> None:
    worker = start(**{"keep-alive": "4"})
    stays, leaves = worker.connect(), worker.connect()
    assert wait_until(lambda: answer(stays).status == 200 and is_over(leaves), PATIENCE_S, pause_s=0.5)
    assert stays.sock is not None


def test_when_there_are_too_many_the_next_one_waits_for_a_place(start: Start) -> None:
    worker = start(**{"keep-alive": "3600"})
    there = [worker.connect() for _ in range(worker.CONNECTIONS)]
    next_one = worker.connect()
    next_one.request("GET", "/")
    assert not select.select([next_one.sock], [], [], 1.5)[0]
    there[0].close()
    assert next_one.getresponse().status == 200


def test_an_application_that_gives_up_costs_no_thread(start: Start) -> None:
    worker = start()
    for _ in range(worker.THREADS + 1):
        with contextlib.suppress(OSError, http.client.HTTPException):
            worker.ask("/exit")
    assert [worker.ask().status for _ in range(3)] == [200] * 3


def test_a_stop_finishes_what_is_under_way_and_says_goodbye_to_who_asks_once_more(start: Start, tmp_path: Path) -> None:
    worker, gate = start(**{"keep-alive": "30"}), tmp_path / "gate"
    waiting, idle = worker.connect(), worker.connect()
    answer(idle)
    waiting.request("GET", f"/wait?{gate}")
    assert wait_until(gate.with_suffix(".begun").exists, PATIENCE_S)
    worker.process.send_signal(signal.SIGTERM)
    assert wait_until(lambda: "Handling signal: term" in worker.log.read_text(), PATIENCE_S)
    assert answer(idle).getheader("Connection") == "close"
    assert worker.process.poll() is None
    gate.touch()
    assert waiting.getresponse().status == 200
    assert worker.process.wait(timeout=PATIENCE_S) == 0


def test_a_stop_waits_for_nobody_who_is_silent(start: Start) -> None:
    worker = start(**{"keep-alive": "3600", "graceful-timeout": "3600"})
    answer(worker.connect())
    worker.connect()
    assert worker.stop() == 0
