"""Taking back what agents have not begun when they have been away for longer than the grace."""

from __future__ import annotations

import logging

from service.usecases.hints import opened
from service.usecases.ports.away import AwayStore, LongAway
from service.usecases.ports.queue import TicketQueue
from service.usecases.ports.tickets import TicketPlaces

log = logging.getLogger(__name__)

JOB = "workers.jobs.return_untouched"

LONGEST_PAUSE_S = 60.0


def pause_s(grace_s: int) -> float:
    """Say how often to look, in seconds: often enough that a tenth of the grace is the most that is added to it."""
    return min(LONGEST_PAUSE_S, max(1.0, grace_s / 10))


class AwayReturns:
    """Put tickets back to their places that lie with agents who are away. What they have begun stays with them."""

    def __init__(self, *, store: AwayStore, queue: TicketQueue, places: TicketPlaces, grace_s: int) -> None:
        self._store = store
        self._queue = queue
        self._places = places
        self._grace_s = grace_s

    def run(self) -> int:
        """Do so for every agent concerned, and count the tickets; a grace of 0 means never. Raises `StoreUnavailable`.

        Each agent is a transaction of its own: whoever comes back in time keeps everything.
        """
        if self._grace_s == 0:
            return 0
        away, total = LongAway(self._grace_s), 0
        for agent_id in self._store.holding_untouched(away):
            returned = self._store.return_untouched(agent_id, away)
            opened(self._queue, self._places, returned, held_by=agent_id)
            log.info("untouched_tickets_returned", extra={"agent_id": agent_id, "count": len(returned)})
            total += len(returned)
        return total
