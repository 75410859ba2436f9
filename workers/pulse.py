"""A process's pulse: a file that it touches while it goes round. `python -m workers.pulse NAME` looks at it.

Processes without a port are asked this way whether they live. It says nothing of PostgreSQL or Redis: a worker that
waits for Redis to come back lives, and starting it again would not bring Redis back.
"""

from __future__ import annotations

import contextlib
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from service.config import ConfigurationError, load

STILL_S = 90.0
"""Longer than a living process is ever silent: a worker waits 20 s for an answer of Redis, and 5 s to try again."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """The pulse of the process called `name`, under `var_dir`."""

    var_dir: Path
    name: str

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self.var_dir / "pulse" / self.name

    def beat(self) -> None:
        """Note that the process goes on. A full or read-only disk is no reason not to."""
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.touch()

    def silence_s(self, now_s: float) -> float | None:
        """Say for how long it has been still, in seconds; None where it has never been felt."""
        try:
            return now_s - self.path.stat().st_mtime
        except OSError:
            return None


def look(pulse: Pulse, now_s: float) -> str | None:
    """Say what is wrong with a process; None when it lives."""
    silence_s = pulse.silence_s(now_s)
    if silence_s is None:
        return f"{pulse.name} has not begun: there is no {pulse.path}"
    return f"{pulse.name} has been still for {silence_s:.0f} s" if silence_s > STILL_S else None


def main() -> None:
    """Exit with status 0 if the process that the argument names lives, else say why not."""
    try:
        trouble = look(Pulse(load().var_dir, sys.argv[1]), time.time())
    except ConfigurationError as exc:
        sys.exit(str(exc))
    if trouble is not None:
        sys.exit(trouble)


if __name__ == "__main__":
    main()
