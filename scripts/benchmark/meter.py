"""CPU and memory of the parts of the system over one round."""

from __future__ import annotations

import resource
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from scripts.benchmark.closed_loop import Tally
from scripts.benchmark.figures import Round, percentile
from scripts.benchmark.process_trees import cpu_seconds, memory, trees

CLIENT = "client"
_MIB = 1024 * 1024


@dataclass
class Meter:
    """Read what the parts named by `roots` (their first process) have used; `client` is this process."""

    roots: Mapping[str, int]
    _before: dict[str, float] = field(default_factory=dict)
    _used: dict[str, float] = field(default_factory=dict)

    def start(self) -> None:
        """Begin, or go on after a pause."""
        parts = self._read()
        self._before = {CLIENT: _own_cpu_seconds(), **parts}

    def pause(self) -> None:
        """Add what was used since `start`."""
        own = _own_cpu_seconds()  # before it rises by the reading of the others
        for name, now in {CLIENT: own, **self._read()}.items():
            self._used[name] = self._used.get(name, 0.0) + now - self._before.get(name, 0.0)

    def belongs(self, name: str, cpu_s: float) -> None:
        """Give the CPU time of a command that this process has waited for a name of its own."""
        self._used[CLIENT] = self._used.get(CLIENT, 0.0) - cpu_s
        self._used[name] = self._used.get(name, 0.0) + cpu_s

    def round_of(self, tally: Tally) -> Round:
        """Put a load's latencies, and what the parts used, into one round."""
        waits = [value for latencies in tally.latencies.values() for value in latencies]
        return self.round(tally.seconds, len(waits), waits=waits, errors=tally.errors)

    def round(
        self,
        seconds: float,
        count: int,
        *,
        waits: Sequence[float] = (),
        errors: Mapping[str, int] | None = None,
        extra: Mapping[str, float] | None = None,
    ) -> Round:
        """Put what the parts used into a round; `waits` are seconds."""
        sizes = {name: memory(pids) for name, pids in trees(self.roots).items()}
        return replace(
            latencies_only(seconds, count, waits),
            errors=dict(errors or {}),
            extra=dict(extra or {}),
            cpu_us={name: 1e6 * value / count if count else 0.0 for name, value in self._used.items()},
            memory_mib={name: size.pss / _MIB for name, size in sizes.items()},
            rss_mib={name: size.rss / _MIB for name, size in sizes.items()},
        )

    def _read(self) -> dict[str, float]:
        return {name: cpu_seconds(pids) for name, pids in trees(self.roots).items()}


def _own_cpu_seconds() -> float:
    """Add up what this process has used, and the commands that it has waited for."""
    waited_for = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + waited_for.ru_utime + waited_for.ru_stime


def latencies_only(seconds: float, count: int, waits: Sequence[float]) -> Round:
    """Make a round of latencies alone: for one kind of request among others, whose CPU time nobody knows."""
    ordered = sorted(waits)
    p50, p95, p99 = (1000 * percentile(ordered, percent) for percent in (50, 95, 99))
    return Round(seconds=seconds, count=count, p50_ms=p50, p95_ms=p95, p99_ms=p99)
