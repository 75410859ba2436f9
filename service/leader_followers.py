"""A gunicorn worker whose threads wait for requests themselves: leader and followers.

gunicorn's threaded worker has its main thread wait for requests and hand each to a thread, which hands the connection
back: for each request two more threads are woken, and each of them wants the interpreter. Here all threads wait in the
kernel, which wakes one for a connection that has something to say; who has answered takes the next without anybody
being woken, for as long as there is one (docs/adr/0050). What has to do with a request is gunicorn's. The main thread
accepts connections, and ends those that stay silent. Linux only: it needs epoll.

The pattern is "Leader/Followers" of Schmidt, O'Ryan, Kircher and Pyarali (2000).
"""

from __future__ import annotations

import errno
import select
import selectors
import socket
import threading
import time
from contextlib import suppress
from typing import Any

from gunicorn.http.body import LengthReader
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, TConn, ThreadWorker

from service.glances import has_input

LOOK_S = 1.0
"""How often the main thread looks for silent connections, and shows gunicorn's master that it lives."""

NAP_S = 0.02
"""How often a stopping process looks whether its last connections are gone."""

_ONCE = select.EPOLLIN | select.EPOLLONESHOT
"""Tell one thread, and no other before the connection is waited for again."""

_NOBODY_THERE = {errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK}
_NO_DESCRIPTORS = {errno.EMFILE, errno.ENFILE}


class _Socket(socket.socket):
    """A client's socket that asks the kernel for no mode that it is in: the thread gives the interpreter up for it."""

    def setblocking(self, flag: bool, /) -> None:
        """Set the mode, if it is another one."""
        if flag != self.getblocking():
            super().setblocking(flag)


class LeaderFollowersWorker(ThreadWorker):  # type: ignore[misc]
    """Serve by `threads` threads that wait for requests themselves.

    A connection that waits is in `keepalived_conns`, by its descriptor. Whoever takes it out of there has it: the
    thread that has been told of it, or the main thread that ends it.
    """

    def init_process(self) -> None:
        """Make what connections are waited for with; then serve."""
        self._epoll = select.epoll()
        self._open: set[TConn] = set()
        super().init_process()

    def run(self) -> None:
        """Serve until told to stop; then finish what is under way."""
        self.keepalived_conns: dict[int, TConn] = {}
        for number in range(self.cfg.threads):
            threading.Thread(target=self._serve, name=f"web-{number}", daemon=True).start()
        self.poller.register(self.method_queue.fileno(), selectors.EVENT_READ, self.method_queue.run_callbacks)
        look_at = 0.0
        while self.alive:
            self.notify()
            self.set_accept_enabled(len(self._open) < self.worker_connections)
            self.wait_for_and_dispatch_events(timeout=LOOK_S)
            if not self.is_parent_alive():
                break
            if time.monotonic() >= look_at:
                look_at = time.monotonic() + LOOK_S
                self._end_silent()
        self._stop()

    def _stop(self) -> None:
        """Accept nobody any more; whoever is connected may ask once more, and is told that it was the last time."""
        self.alive = False  # also where it is the master that is gone
        self.set_accept_enabled(False)
        self._cap_keepalive(time.monotonic() + STOP_KEEPALIVE_LINGER)
        deadline = time.monotonic() + self.cfg.graceful_timeout
        while self._open and time.monotonic() < deadline:
            self.notify()
            self._end_silent()
            time.sleep(NAP_S)
        for listener in self.sockets:
            listener.close()

    def accept(self, listener: socket.socket) -> None:
        """Take a connection in, and wait for what it has to say."""
        try:
            client, address = listener.accept()
        except OSError as exc:
            if exc.errno in _NO_DESCRIPTORS:
                self.log.warning("No connection can be accepted: %s", exc)
                time.sleep(NAP_S)
            elif exc.errno not in _NOBODY_THERE:
                raise
            return
        conn = TConn(self.cfg, _Socket(fileno=client.detach()), address, listener.getsockname())
        conn.sock.setblocking(True)
        conn.data_ready = True  # when it is handled
        self._open.add(conn)
        self._list(conn)
        self._epoll.register(conn.sock, _ONCE)  # last of all: a thread may have it from here on, and even have ended it

    def _list(self, conn: TConn) -> None:
        conn.set_timeout()
        if not self.alive:
            conn.timeout = min(conn.timeout, time.monotonic() + STOP_KEEPALIVE_LINGER)
        self.keepalived_conns[conn.sock.fileno()] = conn

    def _wait_for(self, conn: TConn) -> None:
        """Wait for a connection once more, also where it has said something already."""
        self._list(conn)
        self._epoll.modify(conn.sock, _ONCE)

    def _cap_keepalive(self, deadline: float) -> None:
        for conn in self._listed():
            conn.timeout = min(conn.timeout, deadline)

    def _listed(self) -> list[TConn]:
        return list(self.keepalived_conns.copy().values())  # a copy is made in one step, whatever the threads do

    def _serve(self) -> None:
        """Be one of the threads: wait, answer, and so on."""
        while True:
            for descriptor, _ in self._epoll.poll(-1, 1):
                conn = self.keepalived_conns.pop(descriptor, None)
                if conn is not None:
                    self._answer(conn)

    def _answer(self, conn: TConn) -> None:
        try:
            if self._goes_on(conn):
                self._wait_for(conn)
                return
        except BaseException:  # SystemExit among it: this thread has other connections to serve
            self.log.exception("Error handling a connection")
        with suppress(OSError):
            conn.close(graceful=True)
        self._forget(conn)

    def _goes_on(self, conn: TConn) -> bool:
        """Answer what a connection asks, and say whether it may ask again."""
        goes_on = self.handle(conn)
        while goes_on and conn.parser.unreader.buf.getvalue():  # the next request came with this one
            goes_on = self.handle(conn)
        return bool(goes_on)

    def _keepalive_after(self, conn: TConn, keepalive: Any) -> bool:
        """Pass over gunicorn's draining, which sets timeouts, where the whole body has been read, or there was none."""
        reader = conn.parser.mesg.body.reader
        if keepalive and isinstance(reader, LengthReader) and reader.length == 0:
            return True
        return bool(super()._keepalive_after(conn, keepalive))

    def _end_silent(self) -> None:
        """End connections that have been silent for too long, and not those that wait for a thread with a request."""
        now = time.monotonic()
        for conn in self._listed():
            descriptor = conn.sock.fileno()
            if conn.timeout > now or self.keepalived_conns.pop(descriptor, None) is None:
                continue
            if conn.timeout > now or has_input(descriptor):
                self._wait_for(conn)
            else:
                conn.close()
                self._forget(conn)

    def _forget(self, conn: TConn) -> None:
        self._open.discard(conn)
        if not self._accepting:  # there is room again
            self.method_queue.defer(lambda: None)
