"""The queue of whoever changes tickets: it rings when that may be work for dispatch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from redis import Redis

from service.domain.model import QueuedTicket
from service.ticket_queue.confirmer import ConfirmingTicketQueue
from service.ticket_queue.keys import Keys


class RingingTicketQueue(ConfirmingTicketQueue):
    """Ring when a ticket was queued or has left a hand, also where Redis did not hear of it.

    After the queue was told, not before: who is woken pops.
    """

    def __init__(self, client: Redis, keys: Keys, *, ring: Callable[[], None]) -> None:
        super().__init__(client, keys)
        self._ring = ring

    def enqueue(self, tickets: Sequence[QueuedTicket]) -> int:
        """Enqueue, and ring."""
        try:
            return super().enqueue(tickets)
        finally:
            self._ring()

    def move(self, leaving: Sequence[QueuedTicket], entering: Sequence[QueuedTicket]) -> None:
        """Move, and ring: others may be given what has another priority now."""
        try:
            super().move(leaving, entering)
        finally:
            self._ring()

    def unhold(self, agent_id: int, ticket_ids: Iterable[int]) -> None:
        """Take ids out of the held set, and ring."""
        try:
            super().unhold(agent_id, ticket_ids)
        finally:
            self._ring()
