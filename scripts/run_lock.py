"""The lock that keeps two services off the same data."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


class AlreadyRunningError(Exception):
    """Say who runs on these data."""


@contextlib.contextmanager
def run_lock(var_dir: Path, url: str) -> Iterator[None]:
    """Hold the lock on `var_dir`, leaving word of our process id and `url` for whoever comes second.

    The kernel drops the lock with the process, however it ends. Raises `AlreadyRunningError`.
    """
    with (var_dir / "run.lock").open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            pid, _, where = file.read().strip().partition(" ")
            raise AlreadyRunningError(
                f"Fairdeal already runs on the data in {var_dir}: process {pid or '(unknown)'}, "
                f"{where or '(starting)'}.\n"
                f"Stop it (kill {pid or 'its process id'}), or give this one its own VAR_DIR and PORT."
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()} {url}\n")
        file.flush()
        yield
