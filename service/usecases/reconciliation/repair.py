"""Repairs, each in a form that is right even if the drift has gone meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from service.domain.model import QueuedTicket
from service.usecases.ports.queue import QueueAudit, TicketQueue
from service.usecases.ports.reconcile import AuditedTickets
from service.usecases.reconciliation.batches import batches
from service.usecases.reconciliation.run import Run

BATCH = 500
"""Ids between two looks at the lease."""

STRAYS = 50
"""The same, where each id costs a walk over the whole list."""


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
        inserted = 0
        for batch in batches(tickets, BATCH):
            run.hold()
            inserted += self._queue.enqueue(batch)
        return inserted

    def take_out(self, run: Run, tickets: Sequence[QueuedTicket]) -> Evicted:
        """Evict tickets from where they belong, then queue again what PostgreSQL calls open.

        A ticket given back between our look and the eviction was in the queue by right: asking afterwards brings it
        back, and whoever opens a ticket after we asked queues it after the eviction.
        """
        done = Evicted(frozenset(), frozenset())
        for batch in batches(tickets, BATCH):
            run.hold()
            done += self._restored(self._audit.evict(batch))
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
            restored = self._restored(frozenset(removed))
        return restored

    def _restored(self, removed: frozenset[int]) -> Evicted:
        opened = self._open_tickets.still_open(list(removed))
        self._queue.enqueue([QueuedTicket(ticket_id, priority) for ticket_id, priority in opened.items()])
        return Evicted(removed, frozenset(opened))
