"""Repairs, each in a form that is right even if the drift has gone meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from service.domain.model import QueuedTicket
from service.usecases.ports.queue import QueueAudit, TicketQueue
from service.usecases.ports.reconcile import AuditedTickets
from service.usecases.reconciliation.batches import batches
from service.usecases.reconciliation.run import Run

BATCH_S = 0.02
"""How long one batch may take the server."""

FIRST_BATCH, LARGEST_BATCH = 8, 500

STRAYS = 50
"""Ids between two looks at the lease, where each id costs a walk over the whole list."""


@dataclass(frozen=True, slots=True)
class Evicted:
    """What left a queue: `removed` in all, of which `returned` went back because they are open after all."""

    removed: frozenset[int]
    returned: frozenset[int]

    def __add__(self, other: Evicted) -> Evicted:
        return Evicted(self.removed | other.removed, self.returned | other.returned)


class Repair:
    """Change the queue, asking PostgreSQL last."""

    def __init__(self, *, queue: TicketQueue, audit: QueueAudit, open_tickets: AuditedTickets) -> None:
        self._queue = queue
        self._audit = audit
        self._open_tickets = open_tickets

    def put_in(self, run: Run, tickets: Sequence[QueuedTicket]) -> int:
        """Queue tickets at their places and count those that were not there; the script looks again."""
        return sum(self._queue.enqueue(batch) for batch in paced(tickets, run))

    def take_out(self, run: Run, tickets: Sequence[QueuedTicket]) -> Evicted:
        """Evict tickets from where they belong, then queue again what PostgreSQL calls open.

        A ticket given back between our look and the eviction was in the queue by right: asking afterwards brings it
        back, and whoever opens a ticket after we asked queues it after the eviction.
        """
        done = Evicted(frozenset(), frozenset())
        for batch in paced(tickets, run):
            done += self._restored(run, self._audit.evict(batch))
        return done

    def sort_in(self, run: Run, strays: Sequence[QueuedTicket]) -> Evicted:
        """Evict tickets wherever they are, all of them, and only then put back what is open.

        Places are found by binary search, which the strays would mislead.
        """
        removed: set[int] = set()
        try:
            for batch in batches(strays, STRAYS):
                run.hold()
                removed |= self._audit.evict(batch, everywhere=True)
        finally:
            restored = self._restored(run, frozenset(removed))
        return restored

    def _restored(self, run: Run, removed: frozenset[int]) -> Evicted:
        opened = self._open_tickets.still_open(list(removed))
        for batch in paced([QueuedTicket(ticket_id, opened[ticket_id]) for ticket_id in sorted(opened)], run):
            self._queue.enqueue(batch)
        return Evicted(removed, frozenset(opened))


def paced(tickets: Sequence[QueuedTicket], run: Run) -> Iterator[list[QueuedTicket]]:
    """Cut tickets into batches that take the server a few milliseconds each, holding the lease before each.

    An insertion in the middle of a million entries takes the server 5 to 25 ms, one at the end a few microseconds, and
    everybody waits for a script: so the size of a batch follows from how long the one before took.
    """
    size, start = FIRST_BATCH, 0
    while start < len(tickets):
        run.hold()
        began = run.clock()
        yield list(tickets[start : start + size])
        took_s = run.clock() - began
        start += size
        if took_s < BATCH_S / 2:
            size = min(2 * size, LARGEST_BATCH)
        elif took_s > BATCH_S:
            size = max(1, size // 2)
