"""A Valkey whose disk can be filled: writes beyond RLIMIT_FSIZE fail instead of killing it."""

from __future__ import annotations

import os

from scripts import child
from scripts.account import make_directory, working_directory, write_private
from scripts.embedded_server import server_environment
from scripts.embedded_valkey import _CONFIGURATION, Valkey
from scripts.ports import LOOPBACK


class ValkeyThatMayFillUp(Valkey):
    """Started by a shell that ignores SIGXFSZ, which a process passes on to what it becomes."""

    def spawn(self) -> child.Process:
        """Start it as `Valkey` does, by way of a shell."""
        make_directory(self.data, self.account)
        configuration = _CONFIGURATION.format(
            host=LOOPBACK, port=self.port, password=self.password, appendonly="yes"
        )
        write_private(self.data / "valkey.conf", configuration, self.account)
        ignoring = 'trap "" XFSZ; exec "$0" "$1"'
        with self.log.open("ab") as log:
            return child.spawn(
                ["/bin/sh", "-c", ignoring, self.binary, f"{working_directory(self.data, self.account)}/valkey.conf"],
                environ=server_environment(os.environ), cwd=self.data, output=log, account=self.account,
            )  # fmt: skip
