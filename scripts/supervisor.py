"""Keep the parts of the service running, and stop them in order."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from scripts import child
from scripts.console import Console

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
_HEALTHY_S = 30.0


@dataclass(frozen=True)
class Part:
    """One supervised process: how it is started and stopped. Parts of a higher stage are stopped later."""

    name: str
    spawn: Callable[[], child.Process]
    stop_steps: child.StopSteps
    stage: int = 0


@dataclass
class _Supervised:
    part: Part
    process: child.Process
    started_at: float
    failures: int = 0
    due_at: float | None = None


class Supervisor:
    """Run parts: pass on their output, start again what ends, stop them all."""

    def __init__(self, console: Console, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with no parts. `clock` returns seconds."""
        self._console = console
        self._clock = clock
        self._members: list[_Supervised] = []

    def add(self, part: Part, process: child.Process | None = None) -> None:
        """Start a part, or take over its running process."""
        self._members.append(_Supervised(part, process or part.spawn(), self._clock()))

    def turn(self, timeout_s: float = 0.2) -> None:
        """Pass on output, for `timeout_s` seconds at most, and start again what has ended."""
        self._console.turn(timeout_s)
        for member in self._members:
            if member.due_at is None and member.process.poll() is not None:
                self._note_end(member)
            if member.due_at is not None and self._clock() >= member.due_at:
                self._start_again(member)

    def failures(self, name: str) -> int:
        """Return how often a part has ended in a row, each time within half a minute."""
        return sum(member.failures for member in self._members if member.part.name == name)

    def stop(self) -> None:
        """Stop all parts, stage by stage, whatever they are doing."""
        for stage in sorted({member.part.stage for member in self._members}):
            ending = [(one.process, one.part.stop_steps) for one in self._members if one.part.stage == stage]
            child.stop_all(ending, turn=self._console.turn)
        self._members.clear()
        self._console.turn()

    def _note_end(self, member: _Supervised) -> None:
        # What is left of its group, such as gunicorn's workers, would be in the way of the next one.
        child.signal_group(member.process, signal.SIGKILL)
        if self._clock() - member.started_at >= _HEALTHY_S:
            member.failures = 0
        pause_s = min(_FIRST_PAUSE_S * 2**member.failures, _LONGEST_PAUSE_S)
        member.failures += 1
        member.due_at = self._clock() + pause_s
        self._console.say(
            member.part.name, f"ended with {_how(member.process.returncode)}; starts again in {pause_s:g} s"
        )

    def _start_again(self, member: _Supervised) -> None:
        member.process = member.part.spawn()
        member.started_at = self._clock()
        member.due_at = None


def _how(status: int) -> str:
    return f"status {status}" if status >= 0 else f"signal {signal.Signals(-status).name}"
