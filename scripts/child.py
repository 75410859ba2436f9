"""Child processes that do not outlive us."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from scripts.account import Account
from scripts.waiting import Check, never_interrupted

Process = subprocess.Popen[bytes]
StopSteps = tuple[tuple[signal.Signals, float], ...]
"""Signals to send one after the other, each with the seconds to wait for its effect."""

_PR_SET_PDEATHSIG = 1


def spawn(
    command: Sequence[str | Path],
    *,
    environ: Mapping[str, str],
    cwd: Path,
    output: IO[bytes] | int,
    account: Account | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
) -> Process:
    """Start a command in a session of its own, with stdout and stderr going to `output`.

    Call it from the main thread: Linux sends `death_signal` to the child when the *thread* that made it ends,
    so that even a kill -9 of this process leaves nothing running. A session of its own keeps Ctrl-C from
    reaching the child before we stop it in our order.
    """
    with warnings.catch_warnings():
        # Python 3.12 warns of forking with threads about; the code between fork and exec here takes no lock.
        warnings.simplefilter("ignore", DeprecationWarning)
        return subprocess.Popen(
            [os.fspath(part) for part in command],
            env=dict(environ),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=None if account is None else account.uid,
            group=None if account is None else account.gid,
            extra_groups=None if account is None else [],
            preexec_fn=_tether(death_signal),
        )


def stop(process: Process, steps: StopSteps, *, turn: Check = never_interrupted) -> int:
    """End a child by `steps`, at last by SIGKILL; return its exit status."""
    stop_all([(process, steps)], turn=turn)
    return process.wait()


def stop_all(children: Sequence[tuple[Process, StopSteps]], *, turn: Check = never_interrupted) -> None:
    """End children side by side, each by its steps, at last by SIGKILL.

    `turn` is called while waiting: somebody must read what they still have to say, or they block on it.
    """
    ahead = {process.pid: list(steps) for process, steps in children}
    due = dict.fromkeys(ahead, 0.0)
    while alive := [process for process, _ in children if process.poll() is None]:
        for process in alive:
            if time.monotonic() < due[process.pid]:
                continue
            signal_number, patience_s = ahead[process.pid].pop(0) if ahead[process.pid] else (signal.SIGKILL, 1.0)
            process.send_signal(signal_number)
            due[process.pid] = time.monotonic() + patience_s
        turn()
        time.sleep(0.01)
    for process, _ in children:
        signal_group(process, signal.SIGKILL)


def signal_group(process: Process, signal_number: signal.Signals) -> None:
    """Send a signal to all that is left of a child's process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal_number)


def _tether(death_signal: signal.Signals) -> Callable[[], None] | None:
    """Return what ties a child's life to ours, to be run in the child before it executes the command."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def tether() -> None:
        # Comes after the change of user, which would clear the setting again.
        prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:  # we died before the line above
            os._exit(1)

    return tether
