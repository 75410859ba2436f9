"""What the comparison of a whole queue has marked as drift."""

from __future__ import annotations

from dataclasses import dataclass, field

from service.domain.model import QueuedTicket
from service.usecases.ports.reconcile import OpenTicket

MARK_LIMIT = 100_000
"""Entries one run remembers, some 30 MB at the worst. With more it stops looking and builds the queue anew."""

POISON_LIMIT = 1_000
"""Entries that are no ids which are kept for somebody to look at."""


@dataclass(slots=True)
class Marks:
    """Candidates, to be looked at again; poison and disorder are proven by the snapshot itself.

    `strays` are all entries that are out of place; of these, `duplicates` are queued more than once, and
    `stray_phantoms` are not open. `poison` counts the entries that are no ids, `quarantine` has the first of them.
    """

    missing: dict[int, OpenTicket] = field(default_factory=dict)
    phantoms: set[QueuedTicket] = field(default_factory=set)
    misplaced: set[QueuedTicket] = field(default_factory=set)
    strays: set[QueuedTicket] = field(default_factory=set)
    duplicates: set[QueuedTicket] = field(default_factory=set)
    stray_phantoms: set[QueuedTicket] = field(default_factory=set)
    poison: int = 0
    quarantine: list[str] = field(default_factory=list)

    def is_full(self) -> bool:
        """Say whether there is no point in looking further."""
        return self.candidates() + len(self.strays) >= MARK_LIMIT

    def is_spoilt(self) -> bool:
        """Say whether anything is out of place, or poison: binary searches go wrong then."""
        return bool(self.strays or self.poison)

    def candidates(self) -> int:
        """Count what has to be looked at again."""
        return len(self.missing) + len(self.phantoms) + len(self.misplaced)

    def poisoned(self, entries: tuple[str, ...]) -> None:
        """Note entries that are no ids."""
        self.poison += len(entries)
        self.quarantine += entries[: POISON_LIMIT - len(self.quarantine)]

    def drop_explained(self) -> None:
        """Forget candidates that an entry out of place explains: mending that mends both."""
        self.phantoms -= self.strays
        self.misplaced -= self.strays
        for ticket in self.misplaced | self.strays:
            self.missing.pop(ticket.id, None)
