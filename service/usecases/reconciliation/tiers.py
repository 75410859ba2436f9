"""The two tiers: a quick look at what is recent, and a thorough one at everything."""

from __future__ import annotations

from itertools import islice

from service.usecases.ports.queue import QueueAudit, TicketQueue
from service.usecases.ports.reconcile import AuditedTickets, Drift, OpenTicket
from service.usecases.reconciliation.comparison import Comparison
from service.usecases.reconciliation.hands import Hands
from service.usecases.reconciliation.marks import MARK_LIMIT, Marks
from service.usecases.reconciliation.rebuild import Rebuild
from service.usecases.reconciliation.run import Run
from service.usecases.reconciliation.second_look import SecondLook, not_queued
from service.usecases.reconciliation.settlement import Settlement, disorder
from service.usecases.reconciliation.stale_claims import StaleClaims

RECENT_PAGE = 10_000

MOST_RECENT = 100_000
"""Tickets changed lately that a quick look has time for, the latest first: more than an import brings between two such
looks, so that each is looked at once at least. The thorough look has them all."""


class FastTier:
    """Give back stale claims, and queue tickets that were opened lately but never arrived."""

    def __init__(
        self,
        *,
        queue: TicketQueue,
        audit: QueueAudit,
        open_tickets: AuditedTickets,
        stale_claims: StaleClaims,
        second_look: SecondLook,
        settlement: Settlement,
        grace_s: float,
        recent_s: float,
        confirm_after_s: float,
    ) -> None:
        """Make it to look at tickets changed between `grace_s` and `recent_s` ago."""
        self._queue = queue
        self._audit = audit
        self._open_tickets = open_tickets
        self._stale_claims = stale_claims
        self._second_look = second_look
        self._settlement = settlement
        self._grace_s = grace_s
        self._recent_s = recent_s
        self._confirm_after_s = confirm_after_s

    def check(self, run: Run) -> None:
        """Run through; a queue that is not trusted is left to the full tier."""
        if not self._queue.is_trusted():
            run.tally.proven(Drift.UNTRUSTED, 1)
            return
        self._stale_claims.end(run)
        marked = self._mark_missing(run)
        if marked:
            run.tally.found[Drift.MISSING] += len(marked)
            run.wait(self._confirm_after_s)
            run.needs_full = not self._settlement.settle_missing(run, marked)

    def _mark_missing(self, run: Run) -> dict[int, OpenTicket]:
        marked: dict[int, OpenTicket] = {}
        pages = self._open_tickets.changed_pages(
            within_s=self._recent_s, older_than_s=self._grace_s, size=RECENT_PAGE, newest_first=True
        )
        for page in islice(pages, MOST_RECENT // RECENT_PAGE):
            run.compared(sum(map(len, page.values())), "recent tickets")
            marked |= self._second_look.missing(not_queued(self._audit, page))
            if len(marked) >= MARK_LIMIT:
                break
        return marked


class FullTier:
    """Compare everything, mend what is wrong, and build the queue anew when it cannot be trusted."""

    def __init__(
        self,
        *,
        queue: TicketQueue,
        audit: QueueAudit,
        comparison: Comparison,
        settlement: Settlement,
        rebuild: Rebuild,
        stale_claims: StaleClaims,
        hands: Hands,
        confirm_after_s: float,
    ) -> None:
        self._queue = queue
        self._audit = audit
        self._comparison = comparison
        self._settlement = settlement
        self._rebuild = rebuild
        self._stale_claims = stale_claims
        self._hands = hands
        self._confirm_after_s = confirm_after_s

    def check(self, run: Run) -> None:
        """Run through, waiting once for all candidates together, and not at all where there are none."""
        if not self._check_key_types(run):
            return
        marks = self._mark(run)
        self._stale_claims.end(run)
        wrong_hands = self._hands.mark(run)
        if marks.candidates() or marks.is_spoilt() or wrong_hands:
            marked_at = run.clock()
            with self._settlement.foreseen(run, marks) as staged:
                run.wait(self._confirm_after_s - (run.clock() - marked_at))
                self._settlement.settle(run, marks, staged)
            self._hands.settle(run, wrong_hands)

    def _check_key_types(self, run: Run) -> bool:
        """Move keys of a wrong type out of the way; a dry run ends here, as nothing behind them can be read."""
        run.step("keys")
        wrong = self._audit.wrong_key_types()
        run.tally.proven(Drift.POISON, len(wrong))
        if wrong and not run.dry_run:
            run.hold()
            run.tally.repaired[Drift.POISON] += len(self._audit.repair_key_types())
        return not (wrong and run.dry_run)

    def _mark(self, run: Run) -> Marks:
        if self._queue.is_trusted():
            marks = self._comparison.mark(run)
            run.tally.found[Drift.MISSING] += len(marks.missing)
            run.tally.found[Drift.PHANTOM] += len(marks.phantoms)
            run.tally.found[Drift.OUT_OF_ORDER] += len(marks.misplaced)
            for kind, count in disorder(marks).items():
                run.tally.proven(kind, count)
            return marks
        if run.dry_run:
            run.tally.proven(Drift.UNTRUSTED, 1)
        else:
            self._rebuild.rebuild(run)
        return Marks()
