"""Keeping figures over time: one sample a minute, by whoever keeps the clock."""

from __future__ import annotations

from service.usecases.ports.operations import Reading, SampleStore
from service.usecases.queue_stats import QueueStats


class Sampling:
    """Take a sample of how the service does. Redis may be away: that is when operators will want to know."""

    def __init__(self, *, stats: QueueStats, store: SampleStore) -> None:
        self._stats = stats
        self._store = store

    def take(self) -> float:
        """Keep how things stand and what has happened; return the seconds until it is time for the next.

        Raises `StoreUnavailable`; what it would have counted is counted by the next.
        """
        state = self._stats.read()
        reading = Reading(
            open=state.open,
            oldest_open_s=state.oldest_open_s,
            claims=state.open_claims,
            is_degraded=not state.trusted,
        )
        pause_s = self._store.keep(reading)
        self._store.thin()
        return pause_s
