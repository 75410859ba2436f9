"""An embedded Valkey (or Redis): run by its own binary, reached by TCP with a password."""

from __future__ import annotations

import os
import signal
import socket
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from scripts import child
from scripts.account import Account, make_directory, working_directory, write_private
from scripts.binaries import find_binary
from scripts.binary_copy import runnable_by
from scripts.embedded_server import server_environment
from scripts.ports import LOOPBACK

_CONFIGURATION = """\
bind {host}
port {port}
requirepass {password}
dir ./
save ""
appendonly {appendonly}
appendfsync everysec
maxmemory-policy noeviction
daemonize no
logfile ""
{further}
"""


@dataclass(frozen=True)
class Valkey:
    """An embedded Valkey before it runs. `data` holds its files, `log` what it says."""

    data: Path
    log: Path
    port: int
    password: str
    binary: Path
    account: Account | None
    throwaway: bool = False
    further: str = ""
    """Lines of configuration besides the usual ones."""
    host: str = LOOPBACK
    """The address it listens on, and is reached by."""
    within: tuple[str, ...] = ()
    """A command to start it by, which then also gives it its account; such as one that enters another host."""

    name = "Valkey"
    stop_steps = ((signal.SIGTERM, 20.0),)
    passing_failures = ()

    @property
    def url(self) -> str:
        """Return the URL of its database 0."""
        return f"redis://:{self.password}@{self.host}:{self.port}/0"

    def on_port(self, port: int) -> Self:
        """Return the same server on another port."""
        return replace(self, port=port)

    def configuration(self) -> str:
        """Write what its file of settings says."""
        return _CONFIGURATION.format(
            host=self.host,
            port=self.port,
            password=self.password,
            appendonly="no" if self.throwaway else "yes",
            further=self.further,
        )

    def spawn(self) -> child.Process:
        """Write the configuration, which holds the password, and start the server's process."""
        make_directory(self.data, self.account)
        write_private(self.data / "valkey.conf", self.configuration(), self.account)
        with self.log.open("ab") as log:
            return child.spawn(
                [*self.within, self.binary, f"{working_directory(self.data, self.account)}/valkey.conf"],
                environ=server_environment(os.environ),
                cwd=self.data,
                output=log,
                account=None if self.within else self.account,
            )

    def answers(self) -> bool:
        """Say whether the server takes our password and has loaded its data."""
        request = f"AUTH {self.password}\r\nPING\r\n".encode()
        try:
            with socket.create_connection((self.host, self.port), timeout=2) as connection:
                connection.sendall(request)
                with connection.makefile("rb") as answer:
                    return (answer.readline(), answer.readline()) == (b"+OK\r\n", b"+PONG\r\n")
        except OSError:
            return False


def embedded_valkey(
    data: Path, *, log: Path, port: int, password: str, account: Account | None, throwaway: bool = False
) -> Valkey:
    """Describe the embedded Valkey with its files in `data`. Raises `BinaryNotFoundError`."""
    return Valkey(
        data=data,
        log=log,
        port=port,
        password=password,
        throwaway=throwaway,
        account=account,
        binary=runnable_by(find_binary("valkey-server"), account),
    )
