"""What the queue's figures need of the store: how much is waiting, and for how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from service.domain.model import Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """Open tickets by priority, and how long the one that waits longest has waited, by PostgreSQL's clock.

    A ticket waits from its creation, or from when it last came back; what else is changed about it makes no difference.
    Priorities of which none waits are left out of `waited_s`.
    """

    open: Mapping[Priority, int]
    waited_s: Mapping[Priority, float]


class BacklogStore(Protocol):
    """The backlog as the open rows show it."""

    def backlog(self) -> Backlog:
        """Count the open tickets. Raises `StoreUnavailable`."""
