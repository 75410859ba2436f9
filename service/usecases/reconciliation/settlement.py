"""What becomes of marks: looked at again after the wait, and repaired if they are still there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Set
from itertools import chain

from service.domain.errors import QueueUnavailable
from service.domain.model import QueuedTicket
from service.usecases.ports.queue import QueueAudit, TicketQueue
from service.usecases.ports.reconcile import Drift, OpenTicket
from service.usecases.reconciliation.batches import batches
from service.usecases.reconciliation.marks import Marks
from service.usecases.reconciliation.rebuild import Rebuild, Staged
from service.usecases.reconciliation.repair import Repair
from service.usecases.reconciliation.run import Run
from service.usecases.reconciliation.second_look import SecondLook

IN_PLACE = 1_000
"""Tickets one run moves in place. More of them, like disorder and what stands deep in a long queue, are mended by
building the queue anew beside the live one, which costs a few seconds at a million and keeps nobody waiting."""

LOOK_AT_ONCE = 2_000
"""Candidates looked at again together: what is read of them takes several times the memory of what is remembered."""


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

    @contextlib.contextmanager
    def foreseen(self, run: Run, marks: Marks) -> Iterator[Staged | None]:
        """Build a new queue while candidates wait to be looked at again, where one will be needed; else lend None."""
        is_needed = marks.is_spoilt() or marks.candidates() > IN_PLACE
        with self._rebuild.staged(run) if is_needed and not run.dry_run else contextlib.nullcontext() as staged:
            yield staged

    def settle(self, run: Run, marks: Marks, staged: Staged | None) -> None:
        """Look again at the candidates of a whole comparison, and repair what is left of them, and all disorder.

        `staged` is a new queue that was built meanwhile.
        """
        if not (marks.candidates() or marks.is_spoilt()):
            return
        self._check_trusted()
        in_order = not marks.is_spoilt()
        missing = self._confirm_missing(run, marks.missing, in_order=in_order)
        phantoms, misplaced = self._confirm_phantoms(run, marks, in_order=in_order)
        if run.dry_run:
            return
        if in_order and len(missing) + len(phantoms) + len(misplaced) <= IN_PLACE:
            self._mend(run, missing, phantoms, misplaced)
            return
        self._audit.quarantine(marks.quarantine)
        self._build_anew(run, staged)
        run.tally.repaired[Drift.MISSING] += len(missing)
        run.tally.repaired[Drift.PHANTOM] += len(phantoms)
        run.tally.repaired[Drift.OUT_OF_ORDER] += len(misplaced)
        for kind, count in disorder(marks).items():
            run.tally.repaired[kind] += count

    def _build_anew(self, run: Run, staged: Staged | None) -> None:
        if staged is None:
            self._rebuild.rebuild(run)
        else:
            self._rebuild.put_in_place(run, staged)

    def settle_missing(self, run: Run, marked: Mapping[int, OpenTicket]) -> bool:
        """Look again at tickets marked as missing, and queue in place those that are missing still.

        False when some were left, uncounted, because that is no way to mend them: a whole comparison is needed.
        """
        self._check_trusted()
        now = self._confirm_missing(run, marked, in_order=True)
        if run.dry_run:
            return True
        came = self._repair.put_in(run, _oldest_first(now)[:IN_PLACE])
        left = len(now) - min(len(now), IN_PLACE) + len(came.deep)
        run.tally.repaired[Drift.MISSING] += came.put_in
        run.tally.found[Drift.MISSING] -= left
        run.tally.confirmed[Drift.MISSING] -= left
        return not left

    def _mend(
        self, run: Run, missing: Set[QueuedTicket], phantoms: Set[QueuedTicket], misplaced: Set[QueuedTicket]
    ) -> None:
        came = self._repair.put_in(run, _oldest_first(missing))
        went = self._repair.take_out(run, [*phantoms, *misplaced])
        deep = came.deep | went.deep
        if deep:
            self._rebuild.rebuild(run)
        run.tally.repaired[Drift.MISSING] += came.put_in + len(came.deep)
        for kind, tickets in ((Drift.PHANTOM, phantoms), (Drift.OUT_OF_ORDER, misplaced)):
            run.tally.repaired[kind] += sum(ticket.id in went.taken_out or ticket in went.deep for ticket in tickets)

    def _confirm_missing(self, run: Run, marked: Mapping[int, OpenTicket], *, in_order: bool) -> Set[QueuedTicket]:
        """Keep what has been missing all the time: open in the same epoch, with the same priority."""
        left: set[QueuedTicket] = set()
        for some in batches(marked.values(), LOOK_AT_ONCE):
            suspects = [QueuedTicket(ticket.id, ticket.priority) for ticket in some]
            now = self._second_look.missing(suspects, in_order=in_order)
            for ticket in [ticket for ticket_id, ticket in now.items() if ticket.epoch == marked[ticket_id].epoch]:
                run.tally.aged(ticket.age_s)
                left.add(QueuedTicket(ticket.id, ticket.priority))
        run.tally.looked_again(Drift.MISSING, found=len(marked), confirmed=len(left))
        return left

    def _confirm_phantoms(
        self, run: Run, marks: Marks, *, in_order: bool
    ) -> tuple[Set[QueuedTicket], Set[QueuedTicket]]:
        left: tuple[set[QueuedTicket], set[QueuedTicket]] = (set(), set())
        for suspects in batches(chain(marks.phantoms, marks.misplaced), LOOK_AT_ONCE):
            phantoms, misplaced = map(set, self._second_look.phantoms(suspects, in_order=in_order))
            left[0].update(phantoms & marks.phantoms)
            left[1].update(misplaced & marks.misplaced)
        run.tally.looked_again(Drift.PHANTOM, found=len(marks.phantoms), confirmed=len(left[0]))
        run.tally.looked_again(Drift.OUT_OF_ORDER, found=len(marks.misplaced), confirmed=len(left[1]))
        return left

    def _check_trusted(self) -> None:
        if not self._queue.is_trusted():
            raise QueueUnavailable("The queue was flushed during the run; the next one builds it anew")


def _oldest_first(tickets: Set[QueuedTicket]) -> list[QueuedTicket]:
    return sorted(tickets, key=lambda ticket: ticket.id)


def disorder(marks: Marks) -> dict[Drift, int]:
    """Count what the snapshot itself has proven."""
    return {
        Drift.POISON: marks.poison,
        Drift.DUPLICATE: len(marks.duplicates),
        Drift.PHANTOM: len(marks.stray_phantoms),
        Drift.OUT_OF_ORDER: len(marks.strays - marks.duplicates - marks.stray_phantoms),
    }
