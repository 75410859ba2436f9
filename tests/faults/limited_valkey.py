"""A Valkey whose disk can be filled: what it appends beyond a limit fails as on a full disk, and does not kill it."""

from __future__ import annotations

import os

from scripts import child
from scripts.account import make_directory, working_directory, write_private
from scripts.embedded_server import server_environment
from scripts.embedded_valkey import Valkey

FILE_LIMIT_BLOCKS = 2_048
"""One MiB, in the blocks of 512 bytes that the shell counts in."""


class ValkeyThatMayFillUp(Valkey):
    """Started by a shell that limits the size of files and ignores SIGXFSZ: the server takes both over."""

    def spawn(self) -> child.Process:
        """Start it as `Valkey` does, by way of a shell."""
        make_directory(self.data, self.account)
        write_private(self.data / "valkey.conf", self.configuration(), self.account)
        limited = f'trap "" XFSZ; ulimit -S -f {FILE_LIMIT_BLOCKS}; exec "$0" "$1"'
        with self.log.open("ab") as log:
            return child.spawn(
                ["/bin/sh", "-c", limited, self.binary, f"{working_directory(self.data, self.account)}/valkey.conf"],
                environ=server_environment(os.environ), cwd=self.data, output=log, account=self.account,
            )  # fmt: skip
