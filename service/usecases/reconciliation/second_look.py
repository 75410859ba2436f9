"""A second look at what a page suggested, in an order that cannot mistake a ticket on its way for a lost one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from service.domain.model import Priority, QueuedTicket
from service.usecases.ports.queue import QueueAudit
from service.usecases.ports.reconcile import AuditedTickets, OpenTicket


class SecondLook:
    """Look at single tickets now: in the live queue, in the ledger, in PostgreSQL."""

    def __init__(self, *, audit: QueueAudit, open_tickets: AuditedTickets, grace_s: float) -> None:
        """Make a look that leaves alone what changed less than `grace_s` ago: its writer may be about to queue it."""
        self._audit = audit
        self._open_tickets = open_tickets
        self._grace_s = grace_s

    def missing(self, tickets: Sequence[QueuedTicket], *, in_order: bool = True) -> dict[int, OpenTicket]:
        """Say which tickets are open, and neither queued nor claimed.

        Places in a queue that is not `in_order` cannot be looked up; the tickets then count as not queued.

        Queue, ledger, PostgreSQL, in this order: popping moves an id from the queue to the ledger in one step, and a
        claim leaves the ledger only after PostgreSQL has decided, or after its ids are back in the queue.
        """
        if not tickets:
            return {}
        queued = self._audit.queued(tickets) if in_order else frozenset()
        absent = {ticket.id: ticket for ticket in tickets if ticket.id not in queued}
        if absent:
            claimed = self._audit.claimed()
            absent = {ticket_id: ticket for ticket_id, ticket in absent.items() if ticket_id not in claimed}
        states = self._open_tickets.open_states(list(absent))
        return {
            ticket_id: state
            for ticket_id, state in states.items()
            if state.priority is absent[ticket_id].priority and state.age_s >= self._grace_s
        }

    def phantoms(
        self, tickets: Sequence[QueuedTicket], *, in_order: bool = True
    ) -> tuple[list[QueuedTicket], list[QueuedTicket]]:
        """Say which tickets are queued but not open, and which are queued under another priority than they have.

        Places in a queue that is not `in_order` cannot be looked up; the tickets then count as queued.

        The queue first: what is popped in between is no phantom any more, and a removal will not find it.
        """
        if not tickets:
            return [], []
        queued = self._audit.queued(tickets) if in_order else {ticket.id for ticket in tickets}
        present = [ticket for ticket in tickets if ticket.id in queued]
        states = self._open_tickets.open_states([ticket.id for ticket in present])
        phantoms = [ticket for ticket in present if ticket.id not in states]
        misplaced = [
            ticket for ticket in present if ticket.id in states and states[ticket.id].priority is not ticket.priority
        ]
        return phantoms, misplaced


def not_queued(audit: QueueAudit, page: Mapping[Priority, Sequence[int]]) -> list[QueuedTicket]:
    """Say which tickets of a page of ids, those of each priority ascending, are not in the queue now."""
    return [
        QueuedTicket(ticket_id, priority)
        for priority, ids in page.items()
        for ticket_id in audit.not_queued(priority, ids)
    ]
