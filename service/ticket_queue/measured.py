"""The web's queue, with the time its steps take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

from redis import Redis

from service.meters import Meters
from service.ticket_queue.keys import Keys
from service.ticket_queue.ringing import RingingTicketQueue
from service.usecases.ports.queue import Popped


class MeasuredTicketQueue(RingingTicketQueue):
    """Tell `meters` how long each step took, also where it failed: a timeout is what shows most."""

    def __init__(self, client: Redis, keys: Keys, *, ring: Callable[[], None], meters: Meters) -> None:
        super().__init__(client, keys, ring=ring)
        self._meters = meters

    def claim(self, **wanted: Any) -> Popped:
        """Run claim.lua; see `RedisTicketQueue.claim` for the arguments. A probe, which wants nothing, is no pop."""
        if not wanted["wanted"]:
            return super().claim(**wanted)
        began = perf_counter()
        try:
            return super().claim(**wanted)
        finally:
            self._meters.pop(perf_counter() - began)

    def _strike(self, tokens: Sequence[str]) -> None:
        began = perf_counter()
        try:
            super()._strike(tokens)
        finally:
            self._meters.confirm(perf_counter() - began)
