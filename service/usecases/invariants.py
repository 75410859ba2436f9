"""The promises of the service, checked: reported, never repaired."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from service.domain.errors import QueueUnavailable
from service.usecases.ports.figures import CheckedInvariant, FigureStore
from service.usecases.ports.invariants import Finding, InvariantStore
from service.usecases.ports.queue import QueueAudit
from service.usecases.ports.reconcile import AuditedTickets
from service.usecases.queue_comparison import Differences, QueueComparison

RUNS = 20
"""How many of the last reconciliations count for I12."""

TITLES: Mapping[str, str] = {
    "I1": "A ticket has one holder, the one its history names",
    "I2": "No agent holds more than their capacity, and the database's guards stand",
    "I3": "A ticket once created is never lost",
    "I4": "Every ticket a fetch gave is that agent's in PostgreSQL",
    "I5": "At rest, the queue is the open tickets in order, each once",
    "I6": "At rest, each held set is what the agent holds",
    "I7": "Each agent's counter is the count of held tickets",
    "I8": "No claim is older than its lease",
    "I9": "The epoch rises with every change of hands",
    "I10": "One idempotency key, one operation",
    "I11": "Nothing acknowledged is undone; what is sold stays sold",
    "I12": "Without faults nothing is repaired",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class InvariantResult:
    """One invariant. `ok` is None where it could not be judged; `note` then says why.

    `informational` marks what does not count against the whole when it was not judged.
    """

    code: str
    title: str
    ok: bool | None
    violations: int
    examples: tuple[str, ...]
    note: str = ""
    informational: bool = False


def all_hold(results: Sequence[InvariantResult]) -> bool:
    """Say whether every invariant holds; one that could not be judged does not, unless it is informational."""
    return all(result.ok or (result.ok is None and result.informational) for result in results)


class Invariants:
    """Check everything that can be seen from the state."""

    def __init__(
        self,
        *,
        store: InvariantStore,
        open_tickets: AuditedTickets,
        audit: QueueAudit,
        lease_s: float,
        tick_s: float,
        figures: FigureStore | None = None,
        gap_s: float = 0.5,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`lease_s` and `tick_s` say when a claim is overdue; `gap_s` is the pause before a second look.

        `figures` keeps what a check found, for the metrics.
        """
        self._figures = figures
        self._store = store
        self._audit = audit
        self._comparison = QueueComparison(audit=audit, open_tickets=open_tickets)
        self._overdue_s = lease_s + 2 * tick_s
        self._gap_s = gap_s
        self._sleep = sleep

    def check(self, *, at_rest: bool) -> tuple[InvariantResult, ...]:
        """Check all of them, in order. Raises `StoreUnavailable`; Redis may be away.

        `at_rest` says that nobody is working: queue and held sets are then looked at twice, and what differs both
        times is a violation. Otherwise a difference may be work under way, and is not judged.
        """
        found = {**self._store.histories(), **self._store.hands(), **self._store.claims()}
        results = {code: _judged(code, finding) for code, finding in found.items()}
        if found["I10"].looked_at == 0:
            results["I10"] = _unjudged("I10", "no idempotency key is recorded", informational=True)
        results["I12"] = self._repairs()
        results |= self._queue_side(at_rest=at_rest)
        if self._figures is not None:
            self._figures.keep_invariants(
                [CheckedInvariant(code=r.code, ok=r.ok, violations=r.violations) for r in results.values()]
            )
        return tuple(results[code] for code in TITLES)

    def _repairs(self) -> InvariantResult:
        finding = self._store.repairs(runs=RUNS)
        if finding.violations == 0:
            return _judged("I12", finding)
        note = f"repairs in the last runs ({finding.looked_at}); whether there were faults is not recorded"
        return replace(_judged("I12", finding), ok=None, note=note, informational=True)

    def _queue_side(self, *, at_rest: bool) -> dict[str, InvariantResult]:
        try:
            return {
                "I5": self._compared("I5", self._comparison.queues, at_rest=at_rest),
                "I6": self._compared("I6", self._comparison.held_sets, at_rest=at_rest),
                "I8": _judged("I8", self._overdue_claims()),
            }
        except QueueUnavailable as exc:
            return {code: _unjudged(code, exc.detail) for code in ("I5", "I6", "I8")}

    def _compared(self, code: str, look: Callable[[], Differences], *, at_rest: bool) -> InvariantResult:
        seen = look()
        if seen.count and at_rest:
            self._sleep(self._gap_s)
            seen = seen & look()
        result = _judged(code, Finding(violations=seen.count, examples=seen.examples))
        if result.ok or at_rest:
            return result
        return replace(result, ok=None, note="differs at the moment, which work under way explains", informational=True)

    def _overdue_claims(self) -> Finding:
        claims = self._audit.open_claims(older_than_s=self._overdue_s)
        worded = tuple(f"agent {claim.agent_id}'s claim of {claim.age_s:.0f} s ago" for claim in claims[:5])
        return Finding(violations=len(claims), examples=worded)


def _judged(code: str, finding: Finding) -> InvariantResult:
    ok = finding.violations == 0
    return InvariantResult(
        code=code, title=TITLES[code], ok=ok, violations=finding.violations, examples=finding.examples
    )


def _unjudged(code: str, why: str, *, informational: bool = False) -> InvariantResult:
    return InvariantResult(
        code=code, title=TITLES[code], ok=None, violations=0, examples=(), note=why, informational=informational
    )
