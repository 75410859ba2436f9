"""Repairs, each in a form that is right even if the drift has gone meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from service.domain.model import QueuedTicket
from service.usecases.ports.queue import QueueAudit
from service.usecases.ports.reconcile import AuditedTickets
from service.usecases.reconciliation.batches import batches
from service.usecases.reconciliation.run import Run

BATCH = 20
"""Tickets between two looks at the lease."""


@dataclass(slots=True)
class Mended:
    """What was done in place: how many came into a queue, which ids left one, and what stands too deep for either."""

    put_in: int
    taken_out: set[int]
    deep: set[QueuedTicket]


class Repair:
    """Change the queue in place, asking PostgreSQL last."""

    def __init__(self, *, audit: QueueAudit, open_tickets: AuditedTickets) -> None:
        self._audit = audit
        self._open_tickets = open_tickets

    def put_in(self, run: Run, tickets: Sequence[QueuedTicket]) -> Mended:
        """Queue tickets at their places, those that are not there; the script looks again."""
        mended = Mended(0, set(), set())
        for batch in paced(tickets, run):
            self._put_in(batch, mended)
        return mended

    def take_out(self, run: Run, tickets: Sequence[QueuedTicket]) -> Mended:
        """Take tickets out of a queue, then queue again, each where it belongs, what PostgreSQL calls open.

        A ticket given back between our look and the removal was in the queue by right: asking afterwards brings it
        back, and whoever opens a ticket after we asked queues it after the removal.
        """
        mended = Mended(0, set(), set())
        for batch in paced(tickets, run):
            done = self._audit.take_out(batch)
            mended.taken_out |= done.ids
            mended.deep |= set(done.deep)
            opened = self._open_tickets.still_open(list(done.ids))
            self._put_in([QueuedTicket(ticket_id, priority) for ticket_id, priority in opened.items()], mended)
        return mended

    def _put_in(self, tickets: Sequence[QueuedTicket], mended: Mended) -> None:
        done = self._audit.put_in(tickets)
        mended.put_in += done.count
        mended.deep |= set(done.deep)


def paced(tickets: Sequence[QueuedTicket], run: Run) -> Iterator[list[QueuedTicket]]:
    """Cut tickets into batches, holding the lease before each and resting after it, so that others come first."""
    for batch in batches(tickets, BATCH):
        run.hold()
        began = run.clock()
        yield batch
        run.rest(run.clock() - began)
