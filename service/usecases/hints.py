"""Hints to the queue after PostgreSQL has decided. None can fail the request: the reconciler mends what is lost."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from service.domain.errors import QueueUnavailable
from service.domain.model import QueuedTicket, Ticket, TicketStatus
from service.domain.policy import is_held
from service.usecases.ports.queue import TicketQueue

log = logging.getLogger(__name__)


@contextmanager
def hint(name: str) -> Iterator[None]:
    """Let the queue be away: say so in the log and go on."""
    try:
        yield
    except QueueUnavailable:
        log.warning("queue_hint_lost", extra={"hint": name})


def queued(ticket: Ticket) -> QueuedTicket:
    """Name a ticket as the queue does."""
    return QueuedTicket(ticket.id, ticket.priority)


def follow(queue: TicketQueue, *, before: Ticket, after: Ticket | None) -> None:
    """Bring the queue after a ticket that went from one state to another; `after` is None when it was deleted.

    A hand is emptied before the queue is filled: a claim that takes the ticket at once must find it in no held set.
    """
    was_open = before.status is TicketStatus.OPEN
    is_open = after is not None and after.status is TicketStatus.OPEN
    old_holder = before.agent_id if is_held(before.status) else None
    new_holder = after.agent_id if after is not None and is_held(after.status) else None
    moved = after is not None and after.priority is not before.priority
    with hint("follow"):
        if old_holder is not None and old_holder != new_holder:
            queue.unhold(old_holder, [before.id])
        if was_open and (not is_open or moved):
            queue.remove([queued(before)])
        if new_holder is not None and new_holder != old_holder:
            queue.hold(new_holder, [before.id])
        if after is not None and is_open and (not was_open or moved):
            queue.enqueue([queued(after)])
