"""One run under way: what it has found, and whether it still may go on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from service.domain.errors import Conflict
from service.usecases.ports.reconcile import Drift, Lease, Leases, Outcome, Progress, RunStatus

LEASE = "reconcile"
LEASE_TTL_S = 15.0
"""How long a run that died keeps the others waiting; no single step takes near as long."""


LONGEST_REST_S = 0.1


class Tally:
    """Count what a run found, saw again, repaired, and what turned out to be nothing."""

    def __init__(self) -> None:
        self.found: Counter[Drift] = Counter()
        self.confirmed: Counter[Drift] = Counter()
        self.repaired: Counter[Drift] = Counter()
        self.false_candidates: Counter[Drift] = Counter()
        self.rows_compared = 0
        self.oldest_drift_ms: int | None = None

    def proven(self, kind: Drift, count: int) -> None:
        """Count drift that needs no second look."""
        self.found[kind] += count
        self.confirmed[kind] += count

    def looked_again(self, kind: Drift, *, found: int, confirmed: int) -> None:
        """Count what was left of the `found` when they were looked at again."""
        self.confirmed[kind] += confirmed
        self.false_candidates[kind] += found - confirmed

    def aged(self, age_s: float) -> None:
        """Remember the oldest drift."""
        self.oldest_drift_ms = max(self.oldest_drift_ms or 0, int(age_s * 1_000))

    def outcome(self, status: RunStatus, error: str | None = None) -> Outcome:
        """Sum up."""
        return Outcome(
            status=status,
            found=_counts(self.found),
            confirmed=_counts(self.confirmed),
            repaired=_counts(self.repaired),
            false_candidates=_counts(self.false_candidates),
            rows_compared=self.rows_compared,
            oldest_drift_ms=self.oldest_drift_ms,
            error=error,
        )


def _counts(counter: Counter[Drift]) -> dict[str, int]:
    return {kind.value: counter[kind] for kind in Drift if counter[kind] > 0}


class Run:
    """Carry a run's tally, its lease and its clock from duty to duty."""

    def __init__(
        self,
        *,
        lease: Lease,
        leases: Leases,
        dry_run: bool,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        progress: Progress | None = None,
    ) -> None:
        self.tally = Tally()
        self.dry_run = dry_run
        self.needs_full = False
        """More is wrong than a fast run can mend."""
        self.clock = clock
        self._lease = lease
        self._leases = leases
        self._sleep = sleep
        self._progress = progress
        self._renewed_at = clock()

    def step(self, name: str) -> None:
        """Say which step comes next, and keep the lease."""
        if self._progress is not None:
            self._progress(name, self.tally.rows_compared)
        self.keep()

    def compared(self, rows: int, step: str) -> None:
        """Count rows compared, and keep the lease."""
        self.tally.rows_compared += rows
        self.step(step)

    def keep(self) -> None:
        """Renew the lease when a third of it is over. Raises `Conflict` when it was lost."""
        if self.clock() - self._renewed_at > LEASE_TTL_S / 3:
            self.hold()

    def hold(self) -> None:
        """Renew the lease now: called before anything is changed. Raises `Conflict` when it was lost."""
        if not self._leases.renew(self._lease, ttl_s=LEASE_TTL_S):
            raise Conflict("Another reconciliation has taken over; this one stopped before it changed anything more")
        self._renewed_at = self.clock()

    def rest(self, took_s: float) -> None:
        """Leave the servers alone for as long as the last step took them, so that repairs take half of the time."""
        if took_s > 0:
            self._sleep(min(took_s, LONGEST_REST_S))

    def wait(self, seconds: float) -> None:
        """Let requests under way come to their end; keep the lease meanwhile."""
        until = self.clock() + seconds
        while (left := until - self.clock()) > 0:
            self.step("waiting")
            self._sleep(min(left, LEASE_TTL_S / 3))
        self.hold()
