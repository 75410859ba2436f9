"""What the metrics need of the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedInvariant:
    """One invariant as the last check found it; `ok` is None when it could not be judged."""

    code: str
    ok: bool | None
    violations: int
    age_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconciliationFigures:
    """The reconciler's last day: counts by kind of drift, runs by status, and the age of the last one that was done.

    `found_ever` and `repaired_ever` never go back.
    """

    found: Mapping[str, int]
    repaired: Mapping[str, int]
    found_ever: Mapping[str, int]
    repaired_ever: Mapping[str, int]
    runs: Mapping[str, int]
    last_done_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MailFigures:
    """Mails by state (of those sent, the last day's), and the age of the oldest that waits or is being sent."""

    states: Mapping[str, int]
    oldest_unsent_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCount:
    """What the background jobs of one name came to so far; seconds are sums over all of them."""

    name: str
    done: int
    failed: int
    seconds: float
    waited_s: float


class JobCounts(Protocol):
    """Counts of the jobs that have run. May raise `QueueUnavailable`."""

    def read(self) -> Sequence[JobCount]:
        """Read them."""


class FigureStore(Protocol):
    """Figures that PostgreSQL keeps. Every method may raise `StoreUnavailable`."""

    def keep_invariants(self, checked: Sequence[CheckedInvariant]) -> None:
        """Keep the results of a check in place of those of the one before."""

    def invariants(self) -> Sequence[CheckedInvariant]:
        """Read the results of the last check."""

    def reconciliations(self) -> ReconciliationFigures:
        """Sum up the reconciler's last day."""

    def mails(self) -> MailFigures:
        """Count the mails."""
