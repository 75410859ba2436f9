"""The queue and the held sets held against PostgreSQL, for a report: O(n) time, memory that does not grow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from uuid import uuid4

from service.domain.errors import QueueUnavailable
from service.domain.model import Priority
from service.usecases.ports.invariants import EXAMPLES
from service.usecases.ports.queue import QueueAudit, SnapshotPage
from service.usecases.ports.reconcile import AuditedTickets
from service.usecases.reconciliation.merge import compare
from service.usecases.reconciliation.order import sift

PAGE = 10_000
SNAPSHOT_TTL_S = 600

REMEMBERED = 10_000
"""Differences remembered one by one, to be recognised in a second look; the others are only counted."""


@dataclass(slots=True)
class Differences:
    """What differs: a number, and the first of them in words."""

    count: int = 0
    named: dict[str, None] = field(default_factory=dict)

    def add(self, what: str) -> None:
        """Note one more, unless it is one of those remembered."""
        if what in self.named:
            return
        self.count += 1
        if len(self.named) < REMEMBERED:
            self.named[what] = None

    @property
    def examples(self) -> tuple[str, ...]:
        """Show the first few."""
        return tuple(islice(self.named, EXAMPLES))

    def __and__(self, other: Differences) -> Differences:
        """Keep what both looks saw. Beyond what is remembered, the lesser number stands for both."""
        both = {what: None for what in self.named if what in other.named}
        forgotten = min(self.count - len(self.named), other.count - len(other.named))
        return Differences(count=len(both) + forgotten, named=both)


class QueueComparison:
    """Look for differences between what Redis holds and what PostgreSQL says."""

    def __init__(self, *, audit: QueueAudit, open_tickets: AuditedTickets, page_size: int = PAGE) -> None:
        self._audit = audit
        self._open_tickets = open_tickets
        self._page_size = page_size

    def queues(self) -> Differences:
        """Merge a snapshot of each queue with the open tickets. Raises `QueueUnavailable`."""
        seen = Differences()
        for key in self._audit.wrong_key_types():
            seen.add(f"the key {key} is of a wrong type")
        if seen.count:
            return seen
        token = uuid4().hex
        lengths = self._audit.snapshot(token=token, ttl_s=SNAPSHOT_TTL_S)
        try:
            for priority, length in lengths.items():
                self._queue(seen, priority, self._pages(token, priority, length))
        finally:
            self._audit.drop_snapshot(token=token)
        return seen

    def _queue(self, seen: Differences, priority: Priority, pages: Iterator[SnapshotPage]) -> None:
        opened = self._open_tickets.open_pages(priority, size=self._page_size)
        for difference in compare(_ordered(seen, priority, pages), opened):
            for ticket_id in difference.missing:
                seen.add(f"ticket {ticket_id} is open and missing from the {priority} queue")
            for ticket_id in difference.phantom:
                seen.add(f"ticket {ticket_id} is in the {priority} queue and not open")

    def _pages(self, token: str, priority: Priority, length: int) -> Iterator[SnapshotPage]:
        for offset in range(0, length, self._page_size):
            count = min(self._page_size, length - offset)
            page = self._audit.snapshot_page(token=token, priority=priority, offset=offset, count=count)
            if len(page.entries) != count:
                raise QueueUnavailable("The queue's snapshot vanished while it was read; try again")
            yield page

    def held_sets(self) -> Differences:
        """Compare each agent's held set with the rows. Raises `QueueUnavailable`."""
        seen = Differences()
        agent_ids = iter(sorted({*self._audit.held_agents(), *self._open_tickets.agents_holding()}))
        while batch := list(islice(agent_ids, 500)):
            held = self._open_tickets.held_by_each(batch)
            sets = self._audit.held_sets(batch)
            for agent_id in batch:
                rows = held.get(agent_id, frozenset())
                for ticket_id in sorted(rows ^ sets[agent_id].ids):
                    side = "PostgreSQL" if ticket_id in rows else "Redis"
                    seen.add(f"agent {agent_id} holds ticket {ticket_id} in {side} alone")
                for entry in sets[agent_id].poison:
                    seen.add(f"agent {agent_id}'s held set has the entry {entry[:40]!r}, which is no id")
        return seen


def _ordered(seen: Differences, priority: Priority, pages: Iterator[SnapshotPage]) -> Iterator[list[int]]:
    """Yield the entries that stand in order; note the others."""

    def ids() -> Iterator[list[int]]:
        for page in pages:
            for entry in page.poison:
                seen.add(f"the {priority} queue has the entry {entry[:40]!r}, which is no id")
            yield [entry for entry in page.entries if entry is not None]

    for sifted in sift(ids()):
        for stray in sifted.strays:
            seen.add(f"ticket {stray} stands twice or out of order in the {priority} queue")
        yield sifted.ordered
