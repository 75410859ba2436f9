"""A PostgreSQL whose disk can be filled and emptied while it runs: files cannot grow beyond a limit."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from scripts import child
from scripts.account import working_directory
from scripts.embedded_postgres import Postgres
from scripts.embedded_server import server_environment
from tests.faults.parts import Server

SEGMENT_BYTES = 1_048_576


class PostgresThatMayFillUp(Postgres):
    """Writes its log in segments of 1 MiB, so that the limit of a table's files need not be the log's."""

    def spawn(self) -> child.Process:
        """Start it as `Postgres` does; at the first time, after the segments have been made smaller."""
        if any(path.stat().st_size > SEGMENT_BYTES for path in (self.data / "pg_wal").glob("0*")):
            resetwal = self.binary.with_name("pg_resetwal")
            self.run(resetwal, "--wal-segsize=1", working_directory(self.data, self.account))
        return super().spawn()

    def limit_files(self, pid: int, size: int | None) -> None:
        """Let a process make no file larger than so many bytes; None: no limit. One that has gone needs none."""
        with contextlib.suppress(subprocess.CalledProcessError):
            self.run("prlimit", f"--pid={pid}", f"--fsize={'unlimited' if size is None else size}:unlimited")

    def run(self, *command: str | Path) -> None:
        """Run a command as the account that the server runs as. Raises `CalledProcessError`."""
        uid, gid = (None, None) if self.account is None else (self.account.uid, self.account.gid)
        subprocess.run(
            command, env=server_environment(os.environ), cwd=self.data, check=True, capture_output=True,
            user=uid, group=gid, extra_groups=None if uid is None else [],
        )  # fmt: skip


@contextlib.contextmanager
def full_disk(server: Server, size: int) -> Iterator[None]:
    """Let no file of PostgreSQL grow beyond so many bytes while this is entered, and for as long as it lives."""
    description = server.description
    assert isinstance(description, PostgresThatMayFillUp)
    for pid in (server.pid, *server.children()):  # the server itself first: it makes the others
        description.limit_files(pid, size)
    try:
        yield
    finally:
        if server.is_running:
            for pid in (server.pid, *server.children()):
                description.limit_files(pid, None)
