"""The service's own commands, run as processes and accounted for."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts.benchmark.parts import ROOT

_KIB = 1024
_MIB = 1024 * 1024


class CommandFailedError(Exception):
    """Say which command failed, and what it said."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that has ended: what it printed, how long it took, its CPU time and its largest memory (RSS)."""

    said: str
    seconds: float
    cpu_s: float
    peak_mib: float


def run(arguments: list[str], *, environ: Mapping[str, str], log: Path) -> Ran:
    """Run `python -m service ...`. Raises `CommandFailedError`."""
    peak = log.with_suffix(".peak")
    began = time.perf_counter()
    with log.open("w+") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "scripts.benchmark.observed", str(peak), *arguments],
            cwd=ROOT, env=dict(environ), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            _, status, used = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - began
        output.seek(0)
        said = output.read()
    if process.returncode != 0:
        raise CommandFailedError(f"{' '.join(arguments[:2])} ended with status {process.returncode}: {said[-500:]}")
    return Ran(said, seconds, used.ru_utime + used.ru_stime, int(peak.read_text()) * _KIB / _MIB)
