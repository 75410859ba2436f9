"""Looks that found the queue empty, shared among fetches that are under way at the same moment.

When there is no work, everybody polls. A fetch that began before somebody else's look was sent need not look itself:
while it was under way there was a moment at which the queue was empty, and that is all its own look could say. Whoever
begins later looks anew, so a ticket queued before a fetch began is never missed (docs/adr/0046).
"""

from __future__ import annotations

from service.domain.model import Level


class EmptyLooks:
    """The last look of this process, for each level, that found nothing for it. Moments are `time.monotonic()`'s."""

    def __init__(self) -> None:
        self._sent_at: dict[Level, float] = {}

    def note(self, level: Level, sent_at: float) -> None:
        """Note that a look sent at this moment found nothing in any queue of the level."""
        if sent_at > self._sent_at.get(level, sent_at - 1):
            self._sent_at[level] = sent_at

    def one_since(self, level: Level, began: float) -> bool:
        """Say whether a look that was sent no earlier than `began` found nothing."""
        sent_at = self._sent_at.get(level)
        return sent_at is not None and sent_at >= began
