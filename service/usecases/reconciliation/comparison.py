"""The whole queue against all open tickets: a snapshot, and a merge of two streams. O(n) time, constant memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from uuid import uuid4

from service.domain.errors import QueueUnavailable
from service.domain.model import Priority, QueuedTicket
from service.usecases.ports.queue import QueueAudit
from service.usecases.ports.reconcile import AuditedTickets
from service.usecases.reconciliation.marks import Marks
from service.usecases.reconciliation.merge import compare
from service.usecases.reconciliation.order import sift
from service.usecases.reconciliation.run import Run
from service.usecases.reconciliation.second_look import SecondLook

SNAPSHOT_TTL_S = 600


class Comparison:
    """Mark what differs between the queue and PostgreSQL.

    The queue is read from a copy made at one instant: pages of the live list would shift while it is read, and invent
    drift. PostgreSQL is read later, in pages; what moved in between is sorted out page by page with a second look.
    """

    def __init__(
        self, *, audit: QueueAudit, open_tickets: AuditedTickets, second_look: SecondLook, page_size: int
    ) -> None:
        self._audit = audit
        self._open_tickets = open_tickets
        self._second_look = second_look
        self._page_size = page_size

    def mark(self, run: Run) -> Marks:
        """Compare each priority. Raises `QueueUnavailable` also when the snapshot vanished under way."""
        marks = Marks()
        token = uuid4().hex
        lengths = self._audit.snapshot(token=token, ttl_s=SNAPSHOT_TTL_S)
        try:
            for priority in Priority:
                snapshot = _Snapshot(self._audit, token, priority, lengths[priority], self._page_size)
                self._mark_queue(run, snapshot, marks)
        finally:
            self._audit.drop_snapshot(token=token)
        self._tell_strays_apart(marks)
        marks.drop_explained()
        return marks

    def _mark_queue(self, run: Run, snapshot: _Snapshot, marks: Marks) -> None:
        priority = snapshot.priority
        opened = self._open_tickets.open_pages(priority, size=self._page_size)
        for difference in compare(_ordered(snapshot, marks), opened):
            run.compared(difference.compared, f"comparing {priority}")
            if difference.missing:
                marks.missing |= self._second_look.missing(_queued(difference.missing, priority))
            if difference.phantom:
                phantoms, misplaced = self._second_look.phantoms(_queued(difference.phantom, priority))
                marks.phantoms.update(phantoms)
                marks.misplaced.update(misplaced)
            if marks.is_full():
                return
        strays = {ticket.id for ticket in marks.strays if ticket.priority is priority}
        if strays:
            twice = [ticket_id for ticket_id, times in snapshot.count(strays).items() if times > 1]
            marks.duplicates.update(_queued(twice, priority))

    def _tell_strays_apart(self, marks: Marks) -> None:
        """Find out which strays are open at all."""
        opened = self._open_tickets.still_open([ticket.id for ticket in marks.strays])
        marks.stray_phantoms = {ticket for ticket in marks.strays - marks.duplicates if ticket.id not in opened}


class _Snapshot:
    """The frozen queue of one priority, in pages of ids, each with the number of poisonous entries left out of it."""

    def __init__(self, audit: QueueAudit, token: str, priority: Priority, length: int, page_size: int) -> None:
        self.priority = priority
        self._audit = audit
        self._token = token
        self._length = length
        self._page_size = page_size

    def pages(self) -> Iterator[tuple[list[int], int]]:
        for offset in range(0, self._length, self._page_size):
            count = min(self._page_size, self._length - offset)
            page = self._audit.snapshot_page(token=self._token, priority=self.priority, offset=offset, count=count)
            if len(page.entries) != count:
                raise QueueUnavailable("The queue's snapshot vanished while it was read; the next run starts afresh")
            yield [entry for entry in page.entries if entry is not None], len(page.poison)

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
        if marks.is_disorder():
            return
        if sifted.ordered:
            yield sifted.ordered


def _ids(snapshot: _Snapshot, marks: Marks) -> Iterator[list[int]]:
    for page, poison in snapshot.pages():
        if poison:
            marks.poison[snapshot.priority] = marks.poison.get(snapshot.priority, 0) + poison
        yield page


def _queued(ids: list[int], priority: Priority) -> list[QueuedTicket]:
    return [QueuedTicket(ticket_id, priority) for ticket_id in ids]
