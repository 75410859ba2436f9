"""Processes that an earlier start left behind when it was killed."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from scripts.waiting import Check, never_interrupted, wait_until

TAG = "FAIRDEAL_RUNS_ON"
"""The variable in a child's environment that names the data directory it was started for."""

_SERVERS = frozenset({"postgres", "initdb", "valkey-server", "redis-server"})
_PATIENCE_S = 10.0


def stop_left_overs(var_dir: Path, check: Check = never_interrupted) -> int:
    """End every process an earlier start left on `var_dir`; return how many there were.

    Call it with the run lock held: whatever still runs on these data then belongs to nobody.
    Linux only; elsewhere nothing is found, and a server in the way shows up in the next one's log.
    """
    found = set(left_overs(var_dir))
    _signal(found, {"postgres": signal.SIGINT}, signal.SIGTERM)
    if not wait_until(lambda: not any(left_overs(var_dir)), _PATIENCE_S, check=check):
        _signal(set(left_overs(var_dir)), {}, signal.SIGKILL)
        wait_until(lambda: not any(left_overs(var_dir)), _PATIENCE_S, check=check)
    return len(found)


def forget_postmaster(data: Path) -> None:
    """Remove the process id file of a PostgreSQL that is certain to be gone.

    PostgreSQL refuses to start when any process has the number in it, which in a container, where numbers
    start over, is the rule. Call it after `stop_left_overs`: then no process works in `data`.
    """
    if sys.platform == "linux":
        (data / "postmaster.pid").unlink(missing_ok=True)


def left_overs(var_dir: Path) -> Iterator[int]:
    """Name the processes that bear our tag, or are servers working in our data directories."""
    if sys.platform != "linux":
        return
    tag = f"{TAG}={var_dir}".encode()
    directories = {str(var_dir / name) for name in ("postgres", "postgres.new/data", "valkey")}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):  # it ended meanwhile, or is not ours to look at
            if _state(entry) == "Z":
                continue
            if (_program(entry) in _SERVERS and str((entry / "cwd").readlink()) in directories) or (
                tag in (entry / "environ").read_bytes().split(b"\0")
            ):
                yield int(entry.name)


def _signal(pids: set[int], special: dict[str, signal.Signals], usual: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, special.get(_program(Path("/proc", str(pid))), usual))


def _program(entry: Path) -> str:
    return (entry / "exe").readlink().name.removesuffix(" (deleted)")


def _state(entry: Path) -> str:
    return (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[0]
