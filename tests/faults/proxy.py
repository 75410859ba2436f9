"""A TCP proxy in the test process, standing between the service and a store, that misbehaves when told to.

PostgreSQL and Redis both answer each request before they take the next of the same connection. So a *message* is what
one read finds (up to 64 KiB), and a fault that struck a connection keeps it: after a lost reply nothing that comes
later there may pass for it. All state belongs to the loop's thread; the test's thread hands its wishes in.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self, TypeVar

from scripts.ports import LOOPBACK, free_port
from tests.faults.fault import LONGEST_WORDS, PATIENCE_S, Fault, Injected, Kind, Way

T = TypeVar("T")

CHUNK = 65_536
MAX_CONNECTIONS = 512
_RST = struct.pack("ii", 1, 0)  # SO_LINGER on, zero seconds: close() sends RST instead of FIN


class _Abort(Exception):
    """This connection is to end by RST on both sides."""


class _Link:
    """One connection through the proxy."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = client, server
        self.silent: set[Way] = set()
        self.closes_on_reply = False
        self.spoiled = False
        self.tail: dict[Way, bytes] = dict.fromkeys(Way, b"")

    def sides(self, way: Way) -> tuple[socket.socket, socket.socket]:
        return (self.client, self.server) if way is Way.REQUEST else (self.server, self.client)

    def silence(self, *ways: Way) -> None:
        self.silent.update(ways)
        self.spoiled = True


class Proxy:
    """Carry connections to a port on the loopback address, and do to them what the test injects.

    As a context manager it can be told to `listen` within, and is gone with all its connections after.
    """

    def __init__(self, *, seed: int = 0) -> None:
        self.port = 0
        self._target = (LOOPBACK, 0)
        self._random = random.Random(seed)
        self._injected: list[Injected] = []
        self._listener: socket.socket | None = None
        self._links: dict[asyncio.Task[None], _Link | None] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy-{self.port}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)
        self._loop.close()

    def listen(self, target_port: int) -> int:
        """Begin to carry connections to `target_port`; return the port to connect to instead."""
        self.port = free_port(avoid=frozenset({target_port}))
        self._target = (LOOPBACK, target_port)
        self._run(self._open())
        return self.port

    @property
    def connections(self) -> int:
        """Count the connections that are open now."""
        return len(self._links)

    def inject(self, fault: Fault) -> Injected:
        """Put a fault into force, behind those that are in force already."""
        injected = Injected(fault)
        self._run(self._put_in_force(injected))
        return injected

    def lift(self, injected: Injected) -> None:
        """Take one fault out of force; the connections that it struck stay as they are."""
        self._run(self._lift(injected))

    def heal(self) -> None:
        """Be a wire again: no fault in force, and connections that were struck are reset, as after a real outage."""
        self._run(self._heal())

    def reset_all(self) -> int:
        """End every connection there is by RST, and count them."""
        return self._run(self._reset(list(self._links)))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(PATIENCE_S)

    async def _open(self) -> None:
        self._listen()

    def _listen(self) -> None:
        self._listener = socket.create_server((LOOPBACK, self.port), backlog=MAX_CONNECTIONS)
        self._listener.setblocking(False)
        self._loop.add_reader(self._listener, self._accept, self._listener)

    def _stop_listening(self) -> None:
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    async def _close(self) -> None:
        self._stop_listening()
        await self._reset(list(self._links))

    async def _put_in_force(self, injected: Injected) -> None:
        self._injected.append(injected)
        if injected.fault.kind is Kind.REFUSE:
            self._stop_listening()

    async def _lift(self, injected: Injected) -> None:
        self._injected = [other for other in self._injected if other is not injected]
        refused = any(other.fault.kind is Kind.REFUSE for other in self._injected)
        if self._listener is None and not refused:
            self._listen()

    async def _heal(self) -> None:
        for injected in list(self._injected):
            await self._lift(injected)
        await self._reset([task for task, link in self._links.items() if link is None or link.spoiled])

    async def _reset(self, tasks: list[asyncio.Task[None]]) -> int:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return len(tasks)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # whoever knocked has gone
            client, _ = listener.accept()
            if len(self._links) >= MAX_CONNECTIONS:
                _close_all(client)
                return
            task = self._loop.create_task(self._serve(client))
            self._links[task] = None
            task.add_done_callback(lambda done: self._end(done, client))

    def _end(self, task: asyncio.Task[None], client: socket.socket) -> None:
        self._links.pop(task, None)
        _close_all(client)  # a task that is cancelled before its first step closes nothing

    async def _serve(self, client: socket.socket) -> None:
        """Carry one connection. It ends by RST whatever ended it, unless both sides said goodbye."""
        server = socket.socket()
        rst = True
        try:
            for each in (client, server):
                each.setblocking(False)
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            hole = self._strike(Way.REQUEST, b"", b"", only=Kind.BLACKHOLE)
            if hole is not None:
                await self._swallow(client)
                return
            await self._loop.sock_connect(server, self._target)
            link = _Link(client, server)
            self._links[asyncio.current_task()] = link  # type: ignore[index]
            async with asyncio.TaskGroup() as both:
                for way in Way:
                    both.create_task(self._carry(link, way))
            rst = False
        except* (_Abort, OSError):
            pass
        finally:
            _close_all(client, server, rst=rst)

    async def _swallow(self, source: socket.socket) -> None:
        while await self._loop.sock_recv(source, CHUNK):
            pass

    async def _carry(self, link: _Link, way: Way) -> None:
        source, sink = link.sides(way)
        while message := await self._loop.sock_recv(source, CHUNK):
            passing = await self._pass(link, way, message)
            if passing:
                await self._loop.sock_sendall(sink, passing)
        if link.spoiled:  # one side gave up a connection that hangs: there is nobody left to say goodbye to
            raise _Abort
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    async def _pass(self, link: _Link, way: Way, message: bytes) -> bytes:
        """Return what is left of a message after the faults in force. Raises `_Abort`."""
        if way in link.silent:
            if link.closes_on_reply and way is Way.REPLY:
                raise _Abort
            return b""
        injected = self._strike(way, message, link.tail[way])
        link.tail[way] = b"" if injected is not None else (link.tail[way] + message)[-LONGEST_WORDS:]
        return message if injected is None else await self._suffer(link, injected, message)

    def _strike(self, way: Way, message: bytes, before: bytes, *, only: Kind | None = None) -> Injected | None:
        for injected in self._injected:
            if only in {None, injected.fault.kind} and injected.takes(way, message, before):
                injected.hits += 1
                return injected
        return None

    async def _suffer(self, link: _Link, injected: Injected, message: bytes) -> bytes:
        fault = injected.fault
        match fault.kind:
            case Kind.HOLD:
                while injected in self._injected:
                    await asyncio.sleep(0.01)
                return message
            case Kind.DELAY:
                await asyncio.sleep(fault.delay_s + fault.jitter_s * self._random.random())
                return message
            case Kind.BLACKHOLE:
                link.silence(*Way)
            case Kind.DROP_REPLY:
                link.silence(Way.REPLY)
                link.closes_on_reply = not fault.hang
                return message
            case Kind.DROP_REQUEST if fault.hang:
                link.silence(Way.REQUEST)
            case Kind.CUT:
                _, sink = link.sides(fault.way)
                await self._loop.sock_sendall(sink, message[: fault.cut_at])
                await asyncio.sleep(0.01)  # RST overtakes data that has not been read; give it a moment
                raise _Abort
            case _:
                raise _Abort
        return b""


def _close_all(*sockets: socket.socket, rst: bool = True) -> None:
    for each in sockets:
        with contextlib.suppress(OSError):
            if rst:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
            each.close()
