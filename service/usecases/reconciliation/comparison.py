"""The whole queue against all open tickets: a snapshot, and a merge of two streams. O(n) time, constant memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from service.domain.errors import QueueUnavailable
from service.domain.model import Priority, QueuedTicket
from service.usecases.ports.queue import QueueAudit
from service.usecases.ports.reconcile import AuditedTickets
from service.usecases.reconciliation.marks import Marks
from service.usecases.reconciliation.merge import compare
from service.usecases.reconciliation.order import sift
from service.usecases.reconciliation.run import Run

SNAPSHOT_TTL_S = 600

LOOK_AT_ONCE = 2_000
"""Ids that differ are looked up so many at a time: one by one they cost a statement each, ten times as much."""


class Comparison:
    """Mark what differs between the queue and PostgreSQL.

    Queue and ledger are read from copies made at one instant: pages of the live list would shift while it is read, and
    invent drift. PostgreSQL is read later, in pages; what was changed since the copies were made proves nothing. Nor is
    a ticket missing that was opened less than `grace_s` before: its writer may have been about to queue it.
    """

    def __init__(self, *, audit: QueueAudit, open_tickets: AuditedTickets, grace_s: float, page_size: int) -> None:
        self._audit = audit
        self._open_tickets = open_tickets
        self._grace_s = grace_s
        self._page_size = page_size

    def mark(self, run: Run) -> Marks:
        """Compare each priority. Raises `QueueUnavailable` also when the snapshot vanished under way."""
        marks = Marks()
        token = uuid4().hex
        copied_at = self._open_tickets.moment()
        lengths = self._audit.snapshot(token=token, ttl_s=SNAPSHOT_TTL_S)
        try:
            claimed = self._audit.snapshot_claimed(token=token)
            look = _Look(self._open_tickets, claimed, copied_at, copied_at - timedelta(seconds=self._grace_s))
            for priority in Priority:
                snapshot = _Snapshot(self._audit, token, priority, lengths[priority], self._page_size)
                self._mark_queue(run, snapshot, look, marks)
        finally:
            self._audit.drop_snapshot(token=token)
        marks.drop_explained()
        return marks

    def _mark_queue(self, run: Run, snapshot: _Snapshot, look: _Look, marks: Marks) -> None:
        priority = snapshot.priority
        opened = self._open_tickets.open_pages(priority, size=self._page_size)
        missing: list[int] = []
        phantom: list[int] = []
        for difference in compare(_ordered(snapshot, marks), opened):
            run.compared(difference.compared, f"comparing {priority}")
            missing += difference.missing
            phantom += difference.phantom
            if len(missing) + len(phantom) >= LOOK_AT_ONCE:
                look.mark(missing, phantom, priority, marks)
                missing, phantom = [], []
            if marks.is_full():
                return
        look.mark(missing, phantom, priority, marks)
        look.mark_strays(snapshot, marks)


@dataclass(frozen=True, slots=True)
class _Look:
    """A look at what PostgreSQL says of the ids that differ; `claimed` were being dealt when the queue was copied."""

    open_tickets: AuditedTickets
    claimed: Set[int]
    copied_at: datetime
    queued_by: datetime
    """When a ticket must have been opened to be in the copy for certain."""

    def mark(self, missing: Collection[int], phantom: Collection[int], priority: Priority, marks: Marks) -> None:
        """Mark what no request under way explains."""
        absent = [ticket_id for ticket_id in missing if ticket_id not in self.claimed]
        old = self._unchanged(absent, self.queued_by)
        present = self._unchanged(phantom, self.copied_at)
        states = self.open_tickets.open_states([*old, *present])
        for ticket_id in old & states.keys():
            if states[ticket_id].priority is priority:
                marks.missing[ticket_id] = states[ticket_id]
        for ticket in _queued(present, priority):
            if ticket.id not in states:
                marks.phantoms.add(ticket)
            elif states[ticket.id].priority is not priority:
                marks.misplaced.add(ticket)

    def mark_strays(self, snapshot: _Snapshot, marks: Marks) -> None:
        """Find out which strays of a queue are in it more than once, and which are not open at all."""
        strays = {ticket.id for ticket in marks.strays if ticket.priority is snapshot.priority}
        if not strays:
            return
        twice = {ticket_id for ticket_id, times in snapshot.count(strays).items() if times > 1}
        once = self._unchanged(strays - twice, self.copied_at)
        gone = once - self.open_tickets.open_states(list(once)).keys()
        marks.duplicates.update(_queued(twice, snapshot.priority))
        marks.stray_phantoms.update(_queued(gone, snapshot.priority))

    def _unchanged(self, ids: Collection[int], since: datetime) -> set[int]:
        return set(ids) - self.open_tickets.changed_since(list(ids), since)


class _Snapshot:
    """The frozen queue of one priority, in pages of ids, each with the poisonous entries left out of it."""

    def __init__(self, audit: QueueAudit, token: str, priority: Priority, length: int, page_size: int) -> None:
        self.priority = priority
        self._audit = audit
        self._token = token
        self._length = length
        self._page_size = page_size

    def pages(self) -> Iterator[tuple[list[int], tuple[str, ...]]]:
        for offset in range(0, self._length, self._page_size):
            count = min(self._page_size, self._length - offset)
            page = self._audit.snapshot_page(token=self._token, priority=self.priority, offset=offset, count=count)
            if len(page.entries) != count:
                raise QueueUnavailable("The queue's snapshot vanished while it was read; the next run starts afresh")
            yield [entry for entry in page.entries if entry is not None], page.poison

    def count(self, wanted: set[int]) -> Counter[int]:
        """Count how often the wanted ids occur in the whole queue."""
        counter: Counter[int] = Counter()
        for page, _ in self.pages():
            if not wanted.isdisjoint(page):
                counter.update(entry for entry in page if entry in wanted)
        return counter


def _ordered(snapshot: _Snapshot, marks: Marks) -> Iterator[list[int]]:
    """Yield what stands in order, and mark the rest; give up on a queue that is past sorting out."""
    for sifted in sift(_ids(snapshot, marks)):
        marks.strays.update(_queued(sifted.strays, snapshot.priority))
        if marks.is_full():
            return
        if sifted.ordered:
            yield sifted.ordered


def _ids(snapshot: _Snapshot, marks: Marks) -> Iterator[list[int]]:
    for page, poison in snapshot.pages():
        marks.poisoned(poison)
        yield page


def _queued(ids: Collection[int], priority: Priority) -> list[QueuedTicket]:
    return [QueuedTicket(ticket_id, priority) for ticket_id in ids]
