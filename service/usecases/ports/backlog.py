"""What the queue's figures need of the store: how much is waiting, and for how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from service.domain.model import Priority

COUNTED_AT_ONCE = 10_000
"""Open tickets of a priority that are counted whenever somebody asks: two milliseconds' work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """Open tickets by priority, and how long the one that waits longest has waited, by PostgreSQL's clock.

    A ticket waits from its creation, or from when it last came back; what else is changed about it makes no difference.
    Priorities of which none waits are left out of `waited_s`.
    """

    open: Mapping[Priority, int]
    """No more than `COUNTED_AT_ONCE` are counted of each."""
    waited_s: Mapping[Priority, float]


class BacklogStore(Protocol):
    """The backlog as the open rows show it."""

    def backlog(self) -> Backlog:
        """Count the open tickets, as far as that is quickly done. Raises `StoreUnavailable`."""

    def count_all(self) -> Mapping[Priority, int]:
        """Count them all, which takes the longer the more there are. Raises `StoreUnavailable`."""
