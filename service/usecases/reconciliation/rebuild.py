"""Building the queue anew from PostgreSQL, after a flush or where mending it in place would keep everybody waiting."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

from service.domain.errors import QueueUnavailable
from service.domain.model import Priority, QueuedTicket
from service.usecases.ports.queue import QueueAudit, TicketQueue
from service.usecases.ports.reconcile import AuditedTickets, Drift
from service.usecases.reconciliation.repair import paced
from service.usecases.reconciliation.run import Run
from service.usecases.reconciliation.second_look import not_queued

STAGING_TTL_S = 600

HEAD = 500
"""Ids at the head of a new queue that are looked at together."""

HEAD_ROUNDS = 200


@dataclass(frozen=True, slots=True)
class Staged:
    """New lists that are not in place yet: under which token, since when (by the run's clock), and how long."""

    token: str
    since: float
    lengths: dict[Priority, int]


class Rebuild:
    """Put a new queue in the place of the old one, all at once, and then bring in what changed meanwhile.

    A live queue goes on serving until then. What is queued into it meanwhile goes with it and is brought in afterwards;
    what is dealt from it meanwhile is taken out of the new one before, and the last of it afterwards. After a flush
    nothing is popped and nothing queued until the new queue is there: PostgreSQL serves.
    """

    def __init__(
        self,
        *,
        queue: TicketQueue,
        audit: QueueAudit,
        open_tickets: AuditedTickets,
        page_size: int,
        margin_s: float,
    ) -> None:
        """Make it with `margin_s`, the longest that a transaction may take from its start to its commit."""
        self._queue = queue
        self._audit = audit
        self._open_tickets = open_tickets
        self._page_size = page_size
        self._margin_s = margin_s

    def rebuild(self, run: Run) -> None:
        """Stage and put in place. Raises `QueueUnavailable` when the server lost the new lists before they were."""
        with self.staged(run) as staged:
            self.put_in_place(run, staged)

    @contextlib.contextmanager
    def staged(self, run: Run) -> Iterator[Staged]:
        """Build the new lists beside the queue, and drop them in the end if they have not been put in its place."""
        run.hold()
        staged = Staged(token=uuid4().hex, since=run.clock(), lengths={})
        try:
            for priority in Priority:
                staged.lengths[priority] = self._stage(run, staged.token, priority)
            yield staged
        finally:
            with contextlib.suppress(QueueUnavailable):
                self._audit.drop_staged(token=staged.token)

    def put_in_place(self, run: Run, staged: Staged) -> None:
        """Publish the new lists, and bring in what changed since they were begun. Raises as `rebuild` does."""
        run.tally.proven(Drift.REBUILT, 1)
        lengths = {
            priority: length - self._clear_staged(run, staged.token, priority)
            for priority, length in staged.lengths.items()
        }
        run.hold()
        if not self._audit.publish(token=staged.token, lengths=lengths):
            raise QueueUnavailable("The lists of the new queue got lost under way; the next run tries again")
        self._catch_up(run, since_s=run.clock() - staged.since + self._margin_s)
        for priority in Priority:
            self._clear_head(run, priority)
        run.tally.repaired[Drift.REBUILT] += 1

    def _stage(self, run: Run, token: str, priority: Priority) -> int:
        length = 0
        for page in self._open_tickets.open_pages(priority, size=self._page_size):
            self._audit.stage(token=token, priority=priority, ids=page, ttl_s=STAGING_TTL_S)
            length += len(page)
            run.compared(len(page), f"staging {priority}")
        return length

    def _clear_staged(self, run: Run, token: str, priority: Priority) -> int:
        """Take out what was dealt since the pages were read: always the oldest, so all of it is at the head."""
        cleared = 0
        for _ in range(HEAD_ROUNDS):
            run.step(f"clearing {priority}")
            head = self._audit.staged_first(token=token, priority=priority, count=HEAD)
            opened = self._open_tickets.still_open(head)
            left = [ticket_id for ticket_id in head if opened.get(ticket_id) is priority]
            if len(left) == len(head):
                break
            self._audit.restage_first(token=token, priority=priority, count=len(head), ids=left, ttl_s=STAGING_TTL_S)
            cleared += len(head) - len(left)
        return cleared

    def _catch_up(self, run: Run, *, since_s: float) -> None:
        """Queue what was opened since the pages were read; its writers were turned away."""
        for page in self._open_tickets.changed_pages(within_s=since_s, older_than_s=0, size=self._page_size):
            run.step("catching up")
            for batch in paced(not_queued(self._audit, page), run):
                for ticket in self._audit.put_in(batch).deep:
                    self._queue.enqueue([ticket])  # a walk, but a rare one: to leave it out would call for a rebuild

    def _clear_head(self, run: Run, priority: Priority) -> None:
        """Take out what was dealt until the new queue was there."""
        for _ in range(HEAD_ROUNDS):
            run.step(f"clearing {priority}")
            head = self._audit.first(priority, count=HEAD)
            opened = self._open_tickets.still_open(head)
            gone = [QueuedTicket(ticket_id, priority) for ticket_id in head if opened.get(ticket_id) is not priority]
            if not gone or not self._audit.take_out(gone).count:
                return
            back = self._open_tickets.still_open([ticket.id for ticket in gone])
            self._audit.put_in([QueuedTicket(ticket_id, now) for ticket_id, now in back.items()])
