"""The proxy does to connections what it is told, and nothing else: shown against a server that answers each line."""

from __future__ import annotations

import gc
import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from scripts.ports import LOOPBACK
from scripts.waiting import wait_until
from tests.faults.fault import Fault, Kind, Way
from tests.faults.proxy import Proxy

SILENT_S = 0.2


class Echo(socketserver.ThreadingTCPServer):
    """Answer each line with `re: ` and the line, and remember all that came."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__((LOOPBACK, 0), _Answer)
        self.heard: list[bytes] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Answer(socketserver.StreamRequestHandler):
    server: Echo

    def handle(self) -> None:
        try:
            for line in self.rfile:
                self.server.heard.append(line)
                self.wfile.write(b"re: " + line)
        except OSError:
            pass


class Line:
    """A client of the echo server."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket()
        self._socket.settimeout(5)
        self._socket.connect((LOOPBACK, port))

    def say(self, words: bytes) -> Line:
        self._socket.sendall(words + b"\n")
        return self

    def hear(self, *, within_s: float = 5.0) -> bytes:
        """Return the next bytes; empty when the other side said goodbye. Raises `TimeoutError`, `ConnectionError`."""
        self._socket.settimeout(within_s)
        return self._socket.recv(1_000)

    def asks(self, words: bytes) -> bytes:
        return self.say(words).hear()

    def close(self) -> None:
        self._socket.close()

    def __del__(self) -> None:
        self._socket.close()


@pytest.fixture
def echo() -> Iterator[Echo]:
    with Echo() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[Proxy]:
    with Proxy(seed=7) as running:
        running.listen(echo.port)
        yield running


@pytest.fixture
def line(proxy: Proxy) -> Iterator[Line]:
    opened = Line(proxy.port)
    assert opened.asks(b"hello") == b"re: hello\n"
    yield opened
    opened.close()


def test_a_proxy_without_faults_is_a_wire(proxy: Proxy, echo: Echo, line: Line) -> None:
    others = [Line(proxy.port) for _ in range(20)]
    assert [other.asks(b"%d" % number) for number, other in enumerate(others)] == [
        b"re: %d\n" % number for number in range(20)
    ]
    for other in others:
        other.close()
    assert wait_until(lambda: proxy.connections == 1, 5)


def test_a_goodbye_is_carried_to_the_other_side(proxy: Proxy, line: Line) -> None:
    line._socket.shutdown(socket.SHUT_WR)
    assert line.hear() == b""


def test_a_dropped_reply_belongs_to_a_request_that_arrived(proxy: Proxy, echo: Echo, line: Line) -> None:
    lost = proxy.inject(Fault(kind=Kind.DROP_REPLY, matching=b"pay"))
    assert line.asks(b"look") == b"re: look\n"
    line.say(b"pay")
    lost.await_hits()
    with pytest.raises(TimeoutError):
        line.hear(within_s=SILENT_S)
    assert wait_until(lambda: b"pay\n" in echo.heard, 5)


def test_after_a_lost_reply_no_other_passes_for_it(proxy: Proxy, line: Line) -> None:
    proxy.inject(Fault(kind=Kind.DROP_REPLY, times=1))
    line.say(b"one").say(b"two")
    with pytest.raises(TimeoutError):
        line.hear(within_s=SILENT_S)


def test_a_dropped_reply_can_close_the_connection(proxy: Proxy, echo: Echo, line: Line) -> None:
    proxy.inject(Fault(kind=Kind.DROP_REPLY, hang=False))
    with pytest.raises(ConnectionResetError):
        line.asks(b"pay")
    assert b"pay\n" in echo.heard


@pytest.mark.parametrize("hang", [True, False])
def test_a_dropped_request_never_arrives(proxy: Proxy, echo: Echo, line: Line, hang: bool) -> None:
    proxy.inject(Fault(kind=Kind.DROP_REQUEST, hang=hang))
    with pytest.raises(TimeoutError if hang else ConnectionResetError):
        line.say(b"pay").hear(within_s=SILENT_S if hang else 5)
    assert b"pay\n" not in echo.heard


def test_a_fault_strikes_as_often_as_it_is_told(proxy: Proxy) -> None:
    fault = proxy.inject(Fault(kind=Kind.RESET, matching=b"pay", times=2))
    heard = []
    for _ in range(4):
        each = Line(proxy.port)
        try:
            heard.append(each.asks(b"pay"))
        except ConnectionResetError:
            heard.append(b"reset")
        each.close()
    assert heard == [b"reset", b"reset", b"re: pay\n", b"re: pay\n"]
    assert fault.hits == 2


def test_words_are_found_across_two_reads(proxy: Proxy, echo: Echo, line: Line) -> None:
    fault = proxy.inject(Fault(kind=Kind.DROP_REQUEST, matching=b"secret"))
    line._socket.sendall(b"my sec")
    assert not wait_until(lambda: fault.has_hit(), SILENT_S)
    line._socket.sendall(b"ret\n")
    fault.await_hits()
    assert not any(b"secret" in heard for heard in echo.heard)


def test_a_blackhole_takes_new_connections_and_says_nothing(proxy: Proxy, echo: Echo, line: Line) -> None:
    hole = proxy.inject(Fault(kind=Kind.BLACKHOLE))
    late = Line(proxy.port)
    for each in (line, late):
        with pytest.raises(TimeoutError):
            each.say(b"anyone").hear(within_s=SILENT_S)
    hole.await_hits(2)
    assert b"anyone\n" not in echo.heard
    late.close()


def test_a_delay_is_as_long_as_told_and_loses_nothing(proxy: Proxy, line: Line) -> None:
    proxy.inject(Fault(kind=Kind.DELAY, way=Way.REPLY, delay_s=0.2, jitter_s=0.1, times=1))
    began = time.monotonic()
    assert line.asks(b"slow") == b"re: slow\n"
    assert time.monotonic() - began >= 0.2
    assert line.asks(b"quick") == b"re: quick\n"


def test_a_held_message_arrives_when_it_is_let_go(proxy: Proxy, echo: Echo, line: Line) -> None:
    held = proxy.inject(Fault(kind=Kind.HOLD, matching=b"late", times=1))
    line.say(b"late")
    held.await_hits()
    with pytest.raises(TimeoutError):
        line.hear(within_s=SILENT_S)
    assert b"late\n" not in echo.heard
    proxy.lift(held)
    assert line.hear() == b"re: late\n"


def test_a_cut_lets_the_first_bytes_through(proxy: Proxy, line: Line) -> None:
    proxy.inject(Fault(kind=Kind.CUT, way=Way.REPLY, cut_at=6, times=1))
    assert line.asks(b"abcdef") == b"re: ab"
    with pytest.raises(ConnectionResetError):
        line.hear()


def test_a_refusing_proxy_listens_no_more_but_keeps_its_connections(proxy: Proxy, line: Line) -> None:
    refusal = proxy.inject(Fault(kind=Kind.REFUSE))
    with pytest.raises(ConnectionRefusedError):
        Line(proxy.port)
    assert line.asks(b"still here") == b"re: still here\n"
    proxy.lift(refusal)
    again = Line(proxy.port)
    assert again.asks(b"back") == b"re: back\n"
    again.close()


def test_all_connections_can_be_reset_at_once(proxy: Proxy, line: Line) -> None:
    other = Line(proxy.port)
    assert other.asks(b"hello") == b"re: hello\n"
    assert proxy.reset_all() == 2
    for each in (line, other):
        with pytest.raises(ConnectionResetError):
            each.asks(b"anyone")
    other.close()


def test_healing_ends_the_faults_and_the_connections_they_struck_but_no_others(proxy: Proxy, line: Line) -> None:
    proxy.inject(Fault(kind=Kind.DROP_REPLY, matching=b"pay"))
    struck = Line(proxy.port)
    struck.say(b"pay")
    with pytest.raises(TimeoutError):
        struck.hear(within_s=SILENT_S)
    proxy.heal()
    with pytest.raises(ConnectionResetError):
        struck.hear()
    assert line.asks(b"pay") == b"re: pay\n"
    struck.close()


def test_a_server_that_is_away_resets_the_client() -> None:
    with socket.create_server((LOOPBACK, 0)) as nobody:
        port = nobody.getsockname()[1]
    with Proxy() as proxy:
        proxy.listen(port)
        with pytest.raises(ConnectionResetError):
            Line(proxy.port).hear()


def test_leaving_closes_everything(echo: Echo) -> None:
    with Proxy() as proxy:
        left = Line(proxy.listen(echo.port))
        assert left.asks(b"hello") == b"re: hello\n"
    with pytest.raises(ConnectionResetError):
        left.hear()
    with pytest.raises(ConnectionRefusedError):
        Line(proxy.port)
    left.close()


def test_a_connection_reset_before_it_was_served_is_closed_all_the_same(proxy: Proxy) -> None:
    """Left open, its socket would be a warning, which is an error here."""
    for _ in range(50):
        knocking = [Line(proxy.port) for _ in range(4)]
        proxy.reset_all()
        proxy.lift(proxy.inject(Fault(kind=Kind.REFUSE)))
        for each in knocking:
            each.close()
    proxy.reset_all()
    gc.collect()
    assert wait_until(lambda: proxy.connections == 0, 5)
