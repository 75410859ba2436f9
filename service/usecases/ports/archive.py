"""What archiving needs of the store. Every method may raise `StoreUnavailable`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

TICKETS = "archive"
PURGED = "archive_purge"
"""The names under which it is kept what was moved, and what was removed for ever."""

READERS = ("mails", "webhooks")
"""Who follows the history, and must have read a ticket's lines before they leave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What may be archived: how many tickets, counted up to a limit, and since when the first has been unchanged."""

    tickets: int
    is_exact: bool
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a walk by last change has come to."""

    updated_at: datetime
    ticket_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What became of one batch; `last` leads to the next one, None after the last."""

    moved: int
    events: int
    left: int
    """Those that somebody has in hand just now, or whose history is too young or not read by everybody yet."""
    last: Place | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepState:
    """What one kind of sweep has come to."""

    what: str
    done: int
    """Since the service was set up."""
    waiting: int
    """How much waited when it last ended, counted up to a limit."""
    behind_s: float | None
    """How long the first of these has been due by now."""
    ended_s: float | None
    """Seconds since it last ended."""


class SweepStates(Protocol):
    """What the sweeps have come to. May raise `StoreUnavailable`."""

    def states(self) -> list[SweepState]:
        """Read it, kind by kind."""


class ArchiveStore(SweepStates, Protocol):
    """Closed, sold and deleted tickets, and where they go when they are old. The store's clock decides what is."""

    def due(self, *, older_than_s: float, limit: int) -> Due:
        """Count what has not changed for so long, up to `limit`."""

    def move(self, *, older_than_s: float, after: Place | None, limit: int) -> Batch:
        """Move the next tickets behind `after`, with their histories, in one transaction that waits for nobody."""

    def has_expired(self, *, older_than_s: float) -> bool:
        """Say whether there are archived tickets unchanged for so long."""

    def purge(self, *, older_than_s: float, limit: int) -> int:
        """Remove archived tickets unchanged for so long, with their histories, for ever; count the tickets."""

    def ended(self, *, older_than_s: float, limit: int) -> None:
        """Note that a sweep has come to its end, and what waits."""
