"""What the comparison of a whole queue has marked as drift."""

from __future__ import annotations

from dataclasses import dataclass, field

from service.domain.model import Priority, QueuedTicket
from service.usecases.ports.reconcile import OpenTicket

MARK_LIMIT = 10_000
"""Missing tickets or phantoms one run remembers. More of them that prove true are cheaper to mend by building anew."""

DISORDER_LIMIT = 1_000
"""Strays and poison one run removes: each costs a walk over the list. More of them, and the queue is built anew."""


@dataclass(slots=True)
class Marks:
    """Candidates, to be looked at again; poison and disorder are proven by the snapshot itself.

    `strays` are all entries that are out of place; of these, `duplicates` are queued more than once, and
    `stray_phantoms` are not open.
    """

    missing: dict[int, OpenTicket] = field(default_factory=dict)
    phantoms: set[QueuedTicket] = field(default_factory=set)
    misplaced: set[QueuedTicket] = field(default_factory=set)
    strays: set[QueuedTicket] = field(default_factory=set)
    duplicates: set[QueuedTicket] = field(default_factory=set)
    stray_phantoms: set[QueuedTicket] = field(default_factory=set)
    poison: dict[Priority, int] = field(default_factory=dict)

    def is_full(self) -> bool:
        """Say whether there is no point in looking further."""
        return self.is_disorder() or self.candidates() >= MARK_LIMIT

    def is_spoilt(self) -> bool:
        """Say whether anything is out of place, or poison."""
        return bool(self.strays or self.poison)

    def is_disorder(self) -> bool:
        """Say whether so much is out of place that the queue has to be built anew."""
        return len(self.strays) + sum(self.poison.values()) > DISORDER_LIMIT

    def candidates(self) -> int:
        """Count what has to be looked at again."""
        return len(self.missing) + len(self.phantoms) + len(self.misplaced)

    def drop_explained(self) -> None:
        """Forget candidates that an entry out of place explains: mending that mends both."""
        self.phantoms -= self.strays
        self.misplaced -= self.strays
        for ticket in self.misplaced | self.strays:
            self.missing.pop(ticket.id, None)
