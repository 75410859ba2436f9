"""What the queue's figures need of the store: how much is waiting, and for how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from service.domain.model import Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """Open tickets by priority, and the age of the one waiting longest, by PostgreSQL's clock; None when none waits.

    A ticket waits from its creation, or from when it last came back.
    """

    open: Mapping[Priority, int]
    oldest_open_s: float | None


class BacklogStore(Protocol):
    """The backlog as the open rows show it."""

    def backlog(self) -> Backlog:
        """Count the open tickets. Raises `StoreUnavailable`."""
