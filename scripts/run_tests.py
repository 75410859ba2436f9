"""Run pytest with what suits this checkout; arguments go to pytest, after `--mutants` to `scripts.mutants`.

`--faults` runs the long part of the fault suite, with `--within SECONDS` as much of it as fits (`scripts.time_budget`).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MUTANTS = "--mutants"
# These name the data of `run`, which tests never touch: they have servers of their own.
_NOT_FOR_TESTS = (
    "DATABASE_URL",
    "REDIS_URL",
    "JWT_SECRET_KEY",
    "ADMIN_USERNAME",
    "ADMIN_PASSWORD",
    "VAR_DIR",
    "PORT",
    "HOST",
)
_WITHOUT_WORKERS = (
    "-n",
    "--numprocesses",
    "--pdb",
    "--trace",
    "--collect-only",
    "--co",
    "--help",
    "-h",
    "--version",
    "--fixtures",
    "--markers",
    "no:xdist",
)

FAULTS = "--faults"
"""The long part of the fault suite; without this or a path below tests/faults it is left out, see its conftest."""


def pytest_arguments(given: list[str], *, cpus: int) -> list[str]:
    """Add the number of worker processes, 2 to 4, unless `given` says how many or makes them useless."""
    faults = FAULTS in given
    if faults:
        given = ["-p", "scripts.time_budget", "-m", "faults", *(each for each in given if each != FAULTS)]
    if any(argument.split("=")[0] in _WITHOUT_WORKERS or argument.startswith("-n") for argument in given):
        return given
    # The long tests differ by minutes: handed out two at a time, they begin in their order and end together.
    singly = ["--maxschedchunk=1"] if faults else []
    return ["-n", str(min(max(cpus, 2), 4)), *singly, *given]


def main(given: list[str]) -> None:
    """Become pytest, or the mutants."""
    for name in _NOT_FOR_TESTS:
        os.environ.pop(name, None)
    os.chdir(ROOT)
    module, arguments = "pytest", pytest_arguments(given, cpus=os.cpu_count() or 1)
    if MUTANTS in given:
        module, arguments = "scripts.mutants", [argument for argument in given if argument != MUTANTS]
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606 - no shell is what is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
