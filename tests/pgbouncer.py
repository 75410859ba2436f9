"""A PgBouncer in transaction mode, for tests, where one is installed."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

from scripts import child
from scripts.account import make_directory, open_to_pass, server_account, write_private
from scripts.embedded_server import server_environment
from scripts.ports import LOOPBACK, free_port
from scripts.waiting import wait_until

BINARY = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
SERVER_CONNECTIONS = 5

_CONFIGURATION = """\
[databases]
* = host={host} port={target}

[pgbouncer]
listen_addr = {host}
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = users.txt
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = 500
server_login_retry = 0.2
query_wait_timeout = 30
"""


class PgBouncer:
    """One before the PostgreSQL at a port, with fewer connections than clients; as a context manager it runs within."""

    def __init__(self, directory: Path, *, target: int, user: str, password: str) -> None:
        assert BINARY is not None
        open_to_pass(directory)
        self._binary, self._home, self._log = BINARY, directory / "pgbouncer", directory / "pgbouncer.log"
        self._account = server_account(self._home)
        self._process: child.Process | None = None
        self.port = free_port()
        settings = _CONFIGURATION.format(host=LOOPBACK, port=self.port, target=target, pool_size=SERVER_CONNECTIONS)
        make_directory(self._home, self._account)
        write_private(self._home / "pgbouncer.ini", settings, self._account)
        write_private(self._home / "users.txt", f'"{user}" "{password}"\n', self._account)

    def start(self) -> None:
        """Start it and wait until it listens. Call it from the main thread, as `child.spawn` says."""
        with self._log.open("ab") as log:
            self._process = child.spawn(
                [self._binary, "pgbouncer.ini"],
                environ=server_environment(os.environ), cwd=self._home, output=log, account=self._account,
            )  # fmt: skip
        assert wait_until(lambda: _listens(self.port), 30), self._log.read_text()

    def kill(self) -> None:
        """End it as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()


def before(url: str, directory: Path) -> PgBouncer:
    """Make one for the account of a URL."""
    parts = urlsplit(url)
    assert parts.port is not None
    return PgBouncer(
        directory, target=parts.port, user=unquote(parts.username or ""), password=unquote(parts.password or "")
    )


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1):
        return True
    return False
