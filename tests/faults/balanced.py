"""Clients behind a balancer: each request goes to one of the web servers that are in rotation."""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any

from scripts.ports import LOOPBACK
from scripts.waiting import wait_until
from tests.faults.clients import Client, History
from tests.faults.template import Person

DRAINED_S = 40.0


class Rotation:
    """The ports that are asked, in turn, and how many requests are under way to each."""

    def __init__(self, *ports: int) -> None:
        self._lock = threading.Lock()
        self._ports = list(ports)
        self._turn = 0
        self._busy: Counter[int] = Counter()

    def begin(self) -> int:
        """Choose a port for a request."""
        with self._lock:
            self._turn += 1
            port = self._ports[self._turn % len(self._ports)]
            self._busy[port] += 1
        return port

    def end(self, port: int) -> None:
        """Note that a request has ended."""
        with self._lock:
            self._busy[port] -= 1

    def take_out(self, port: int) -> None:
        """Send nothing there any more, and wait until what was sent has been answered."""
        with self._lock:
            self._ports.remove(port)
        assert wait_until(lambda: self._busy[port] == 0, DRAINED_S), f"requests to {port} do not end"

    def put_in(self, port: int) -> None:
        """Send requests there."""
        with self._lock:
            self._ports.append(port)


class BalancedClient(Client):
    """One person behind a balancer that keeps no connections, like the one of docs/ops/balancer.cfg."""

    def __init__(self, rotation: Rotation, person: Person, history: History, *, timeout_s: float) -> None:
        super().__init__(0, person, history, timeout_s=timeout_s)
        self._rotation = rotation

    def do(self, *arguments: Any, **named: Any) -> Any:
        """Do one operation on a connection of its own."""
        self._port = port = self._rotation.begin()
        try:
            return super().do(*arguments, **named)
        finally:
            self.close()
            self._rotation.end(port)


def is_ready(port: int) -> bool:
    """Ask a web server whether it can serve, as a balancer does."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=10)
    try:
        connection.request("GET", "/readyz", headers=_ONCE)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


_ONCE: Mapping[str, str] = {"Connection": "close"}
