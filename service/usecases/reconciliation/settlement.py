"""What becomes of marks: looked at again after the wait, and repaired if they are still there."""

from __future__ import annotations

from collections.abc import Mapping, Set

from service.domain.errors import QueueUnavailable
from service.domain.model import QueuedTicket
from service.usecases.ports.queue import QueueAudit, TicketQueue
from service.usecases.ports.reconcile import Drift, OpenTicket
from service.usecases.reconciliation.marks import MARK_LIMIT, Marks
from service.usecases.reconciliation.rebuild import Rebuild
from service.usecases.reconciliation.repair import Repair
from service.usecases.reconciliation.run import Run
from service.usecases.reconciliation.second_look import SecondLook


class Settlement:
    """Confirm and repair. In a dry run: confirm."""

    def __init__(
        self, *, queue: TicketQueue, audit: QueueAudit, second_look: SecondLook, repair: Repair, rebuild: Rebuild
    ) -> None:
        self._queue = queue
        self._audit = audit
        self._second_look = second_look
        self._repair = repair
        self._rebuild = rebuild

    def mend_disorder(self, run: Run, marks: Marks) -> Marks:
        """Take out poison and put strays in their places: no request explains them, so there is nothing to wait for.

        Returns the marks that are left: none when the queue was built anew.
        """
        kinds = {
            Drift.DUPLICATE: marks.duplicates,
            Drift.PHANTOM: marks.stray_phantoms,
            Drift.OUT_OF_ORDER: marks.strays - marks.duplicates - marks.stray_phantoms,
        }
        run.tally.proven(Drift.POISON, sum(marks.poison.values()))
        for kind, tickets in kinds.items():
            run.tally.proven(kind, len(tickets))
        if run.dry_run:
            return marks
        if marks.is_disorder():
            self._rebuild.rebuild(run)
            return Marks()
        for priority in marks.poison:
            run.hold()
            run.tally.repaired[Drift.POISON] += self._audit.evict_poison(priority)
        removed = self._repair.sort_in(run, list(marks.strays)).removed
        for kind, tickets in kinds.items():
            run.tally.repaired[kind] += sum(ticket.id in removed for ticket in tickets)
        return marks

    def settle(self, run: Run, marks: Marks) -> None:
        """Look again at the candidates of a whole comparison, and repair what is left of them."""
        missing = self._confirm_missing(run, marks.missing)
        phantoms, misplaced = self._confirm_phantoms(run, marks)
        if run.dry_run:
            return
        if len(missing) + len(phantoms) + len(misplaced) >= MARK_LIMIT // 2:
            self._rebuild.rebuild(run)
            return
        self._put_in(run, missing)
        out = self._repair.take_out(run, [*phantoms, *misplaced])
        run.tally.repaired[Drift.PHANTOM] += sum(t.id in out.removed - out.returned for t in phantoms)
        run.tally.repaired[Drift.OUT_OF_ORDER] += sum(t.id in out.removed for t in misplaced)

    def settle_missing(self, run: Run, marked: Mapping[int, OpenTicket]) -> None:
        """Look again at tickets marked as missing, and queue those that are missing still."""
        confirmed = self._confirm_missing(run, marked)
        if not run.dry_run:
            self._put_in(run, confirmed)

    def _put_in(self, run: Run, missing: Set[QueuedTicket]) -> None:
        run.tally.repaired[Drift.MISSING] += self._repair.put_in(run, sorted(missing, key=lambda ticket: ticket.id))

    def _confirm_missing(self, run: Run, marked: Mapping[int, OpenTicket]) -> Set[QueuedTicket]:
        """Keep what has been missing all the time: open in the same epoch, with the same priority."""
        if not marked:
            return set()
        self._check_trusted()
        now = self._second_look.missing([QueuedTicket(ticket.id, ticket.priority) for ticket in marked.values()])
        confirmed = [ticket for ticket_id, ticket in now.items() if ticket.epoch == marked[ticket_id].epoch]
        for ticket in confirmed:
            run.tally.aged(ticket.age_s)
        run.tally.looked_again(Drift.MISSING, found=len(marked), confirmed=len(confirmed))
        return {QueuedTicket(ticket.id, ticket.priority) for ticket in confirmed}

    def _confirm_phantoms(self, run: Run, marks: Marks) -> tuple[Set[QueuedTicket], Set[QueuedTicket]]:
        marked = [*marks.phantoms, *marks.misplaced]
        if not marked:
            return set(), set()
        self._check_trusted()
        phantoms, misplaced = map(set, self._second_look.phantoms(marked))
        run.tally.looked_again(Drift.PHANTOM, found=len(marks.phantoms), confirmed=len(phantoms & marks.phantoms))
        run.tally.looked_again(
            Drift.OUT_OF_ORDER, found=len(marks.misplaced), confirmed=len(misplaced & marks.misplaced)
        )
        return phantoms & marks.phantoms, misplaced & marks.misplaced

    def _check_trusted(self) -> None:
        if not self._queue.is_trusted():
            raise QueueUnavailable("The queue was flushed during the run; the next one builds it anew")
