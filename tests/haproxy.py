"""The balancer of docs/ops, for tests, where HAProxy is installed: its own settings, and our servers instead of DNS."""

from __future__ import annotations

import os
import re
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from scripts import child
from scripts.embedded_server import server_environment
from scripts.ports import LOOPBACK, free_port
from scripts.waiting import wait_until

BINARY = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
SETTINGS = Path(__file__).parents[1] / "docs" / "ops" / "balancer.cfg"
PATIENCE_S = 60.0


class HaProxy:
    """A balancer before web servers on this machine, named web1, web2 and so on."""

    def __init__(self, directory: Path, web_ports: Sequence[int]) -> None:
        self.port = free_port(avoid=frozenset(web_ports))
        self._socket = directory / "haproxy.sock"
        self._settings = directory / "haproxy.cfg"
        self._log = directory / "haproxy.log"
        self._settings.write_text(self._adapted(SETTINGS.read_text(), web_ports))

    def _adapted(self, settings: str, web_ports: Sequence[int]) -> str:
        """Put in our address and servers, and a socket to give orders by; all else stays as it is."""
        servers = "".join(f"    server web{n} {LOOPBACK}:{port}\n" for n, port in enumerate(web_ports, 1))
        changes = {
            r"    maxconn 4096\n": f"    maxconn 400\n    stats socket {self._socket} level admin\n",
            r"    bind :8000\n": f"    bind {LOOPBACK}:{self.port}\n",
            r"    server-template .*\n": servers,
            r"resolvers engine\n(?:    .*\n)+": "",
        }
        for pattern, replacement in changes.items():
            settings, count = re.subn(pattern, replacement, settings)
            assert count == 1, pattern
        return settings

    def __enter__(self) -> Self:
        """Start it, and wait until it has found every server well."""
        assert BINARY is not None
        with self._log.open("ab") as log:
            self._process = child.spawn(
                [BINARY, "-W", "-db", "-f", str(self._settings)],
                environ=server_environment(os.environ), cwd=self._settings.parent, output=log,
            )  # fmt: skip
        assert wait_until(lambda: self._socket.exists() and self._says("UP"), PATIENCE_S), self._log.read_text()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        """End it."""
        child.signal_group(self._process, 9)
        self._process.wait()

    def take_out(self, server: str) -> None:
        """Send nothing there any more, and wait until what was sent has been answered."""
        self._order(f"set server web/{server} state maint")
        assert wait_until(lambda: self.figure(server, "scur") == "0", PATIENCE_S), server

    def put_in(self, server: str) -> None:
        """Send requests there once it is well."""
        self._order(f"set server web/{server} state ready")
        self.await_well(server)

    def await_well(self, server: str) -> None:
        """Wait until it has been found well."""
        assert wait_until(lambda: self.figure(server, "status") == "UP", PATIENCE_S), server

    def figure(self, server: str, name: str) -> str:
        """Read one of the figures about a server."""
        head, *lines = self._order("show stat").removeprefix("# ").splitlines()
        names = head.split(",")
        rows = [dict(zip(names, line.split(","), strict=False)) for line in lines if line]
        return next(row[name] for row in rows if (row["pxname"], row["svname"]) == ("web", server))

    def _says(self, status: str) -> bool:
        return all(self.figure(f"web{n}", "status") == status for n in range(1, 3))

    def _order(self, order: str) -> str:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(str(self._socket))
            connection.sendall(f"{order}\n".encode())
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()
