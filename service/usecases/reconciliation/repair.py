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


@dataclass(frozen=True, slots=True)
class Evicted:
    """What left a queue: `removed` in all, of which `returned` went back because they are open after all."""

    removed: frozenset[int]
    returned: frozenset[int]


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

    def take_out(self, run: Run, tickets: Sequence[QueuedTicket], *, everywhere: bool = False) -> Evicted:
        """Evict tickets, then queue again what PostgreSQL calls open.

        A ticket given back between our look and the eviction was in the queue by right: asking afterwards brings it
        back, and whoever opens a ticket after we asked queues it after the eviction.
        """
        removed: set[int] = set()
        returned: set[int] = set()
        for batch in batches(tickets, BATCH):
            run.hold()
            gone = self._audit.evict(batch, everywhere=everywhere)
            opened = self._open_tickets.still_open(list(gone))
            self._queue.enqueue([QueuedTicket(ticket_id, priority) for ticket_id, priority in opened.items()])
            removed |= gone
            returned |= opened.keys()
        return Evicted(frozenset(removed), frozenset(returned))
