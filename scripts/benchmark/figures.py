"""What is measured, and what is made of it: percentiles, medians, ratios. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one round of one scenario showed. `count` is what `rate` counts a second: requests, or tickets."""

    seconds: float
    count: int
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    p99_ms: float = 0.0
    errors: Mapping[str, int] = field(default_factory=dict)
    cpu_us: Mapping[str, float] = field(default_factory=dict)
    """CPU time by part of the system, microseconds for each of the `count`."""
    memory_mib: Mapping[str, float] = field(default_factory=dict)
    """Proportional share of memory (PSS) by part of the system."""
    rss_mib: Mapping[str, float] = field(default_factory=dict)
    extra: Mapping[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """How many a second."""
        return self.count / self.seconds if self.seconds else 0.0


@dataclass(slots=True, kw_only=True)
class Row:
    """The rounds of one variant of a scenario: what `what` did at so many `connections`, counted in `unit` a second."""

    scenario: str
    what: str
    unit: str
    connections: int = 0
    rounds: list[Round] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """The median of the rounds' rates."""
        return median(each.rate for each in self.rounds)

    @property
    def errors(self) -> int:
        """All errors of all rounds."""
        return sum(sum(each.errors.values()) for each in self.rounds)

    def middle(self, name: str) -> float:
        """Take the median of a figure of the rounds, `p99_ms` for instance."""
        return median(float(getattr(each, name)) for each in self.rounds)

    def middle_of(self, name: str, key: str) -> float:
        """Take the median of one entry of a mapping of the rounds: `cpu_us`, `web`."""
        return median(float(getattr(each, name).get(key, 0.0)) for each in self.rounds)

    def keys_of(self, name: str) -> list[str]:
        """Name the entries that a mapping of the rounds has, in order of appearance."""
        return list(dict.fromkeys(key for each in self.rounds for key in getattr(each, name)))


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Take the smallest value that so many per cent of the `ordered` ones do not exceed; 0 where there is none."""
    if not ordered:
        return 0.0
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def median(values: Iterable[float]) -> float:
    """Take the median; 0 where there is nothing."""
    found = list(values)
    return statistics.median(found) if found else 0.0


def ratio(above: float, below: float) -> float | None:
    """Divide, None where there is nothing to divide by."""
    return above / below if below else None


def in_turns(above: Row, below: Row, of: Callable[[Round], float] = lambda each: each.rate) -> float | None:
    """Divide round by round, and take the median: a round's two turns come close together, the rounds do not.

    Between two rounds the machine may have become faster or slower by a half. None where there is nothing to divide.
    """
    found = [ratio(of(ours), of(theirs)) for ours, theirs in zip(above.rounds, below.rounds, strict=False)]
    measured = [each for each in found if each is not None]
    return median(measured) if measured else None


def as_json(row: Row) -> dict[str, Any]:
    """Describe a row, every round of it and the medians."""
    return {
        **{name: value for name, value in asdict(row).items() if name != "rounds"},
        "rate": row.rate,
        "rounds": [{**asdict(each), "rate": each.rate} for each in row.rounds],
    }


def row_from(found: Mapping[str, Any]) -> Row:
    """Read a row back from what `as_json` made."""
    rounds = [Round(**{name: value for name, value in each.items() if name != "rate"}) for each in found["rounds"]]
    return Row(**{name: found[name] for name in ("scenario", "what", "unit", "connections")}, rounds=rounds)


def rounded(value: Any) -> Any:
    """Leave four decimals of every number inside: the rest is noise, and long."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    return [rounded(each) for each in value] if isinstance(value, list) else value
