"""Taking back tickets that agents hold and do not begin, having warned them before."""

from __future__ import annotations

import logging

from service.domain.hold_limit import HoldLimit
from service.usecases.hints import opened
from service.usecases.ports.hold_limit import HoldLimitStore
from service.usecases.ports.queue import TicketQueue
from service.usecases.ports.tickets import TicketPlaces

log = logging.getLogger(__name__)

JOB = "workers.jobs.limit_holds"

LONGEST_PAUSE_S = 60.0


def pause_s(warning_s: int) -> float:
    """Say how often to look, in seconds: often enough that a tenth of the warning's time is the most that is added."""
    return min(LONGEST_PAUSE_S, max(1.0, warning_s / 10))


class HoldLimits:
    """Warn agents of tickets they have not begun, and put those back to their places when the limit has come.

    A ticket counts from the moment it came into the hand. Beginning it ends the limit; being given it once more, or by
    an admin, begins it anew. No ticket goes back before its warning has been out for the time between the two.
    """

    def __init__(self, *, store: HoldLimitStore, queue: TicketQueue, places: TicketPlaces, limit: HoldLimit) -> None:
        self._store = store
        self._queue = queue
        self._places = places
        self._limit = limit

    def run(self) -> int:
        """Do so for every agent concerned, and count the tickets that went back; a limit of 0 means never.

        Each agent is a transaction of its own. Raises `StoreUnavailable`.
        """
        if self._limit.limit_s == 0:
            return 0
        total = 0
        for agent_id in self._store.due(self._limit):
            done = self._store.apply(self._limit, agent_id=agent_id)
            opened(self._queue, self._places, done.returned, held_by=agent_id)
            counts = {"agent_id": agent_id, "warned": len(done.warned), "returned": len(done.returned)}
            log.info("hold_limit_applied", extra=counts)
            total += len(done.returned)
        return total
