"""Archiving: what is closed for long makes room for what is worked on, a small batch at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from service.domain.errors import InvalidInput
from service.domain.retention import LEAST_ARCHIVE_DAYS
from service.usecases.ports.archive import ArchiveStore, Due
from service.usecases.ports.reconcile import JobQueue

log = logging.getLogger(__name__)

JOB = "workers.jobs.archive"

DAY_S = 24 * 3600.0

BATCH = 200
"""Tickets of one transaction: some tens of milliseconds, for which nobody waits but who wants one of these."""

LOOK_EVERY_S = 60.0
SLICE_S = 10.0
"""How long a job works; then others have their turn, and the clock looks again."""

COUNTED = 100_000
"""How many waiting tickets are counted at the most, by one walk along an index."""

SHARE = 0.5
"""How much of its time a job works: in the rest, the disk and the processors are others'."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What a run has done: tickets moved with their lines, those left for a later run, and those removed for ever."""

    tickets: int = 0
    events: int = 0
    left: int = 0
    purged: int = 0


class Archiving:
    """Move tickets that are closed, sold or deleted, and unchanged for long, to the archive.

    Any number may do so at once. Whatever dies in between, a ticket is in exactly one place: each batch is one
    transaction, and the next run goes on.
    """

    def __init__(
        self,
        *,
        store: ArchiveStore,
        jobs: JobQueue,
        after_days: int,
        keep_days: int,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        """`after_days` says from when on a ticket is old, `keep_days` when it goes for ever; 0 means never."""
        self._store = store
        self._jobs = jobs
        self._after_s = after_days * DAY_S
        self._keep_s = keep_days * DAY_S
        self._clock = clock
        self._sleep = sleep

    def look(self) -> None:
        """Call for a job if there is something for it to do. Raises `StoreUnavailable`, `QueueUnavailable`."""
        is_due = self._after_s and self._store.due(older_than_s=self._after_s, limit=1).tickets > 0
        if is_due or (self._keep_s and self._store.has_expired(older_than_s=self._keep_s)):
            self._jobs.enqueue(JOB, unique_id=JOB)
        elif self._after_s:
            self._store.ended(older_than_s=self._after_s, limit=1)

    def work(self) -> Sweep:
        """Archive for a while, resting between the batches, and remove what is kept no longer.

        Raises `StoreUnavailable`; what was moved until then stays moved.
        """
        until, done = self._clock() + SLICE_S, Sweep()
        if self._after_s:
            done = self.run(older_than_s=self._after_s, go_on=lambda _: self._clock() < until, rests=True)
        purged = 0
        while self._keep_s and self._clock() < until:
            removed = self._store.purge(older_than_s=self._keep_s, limit=BATCH)
            purged += removed
            if removed < BATCH:
                break
        if done.tickets or purged:
            log.info("tickets_archived", extra={"tickets": done.tickets, "events": done.events, "purged": purged})
        return Sweep(tickets=done.tickets, events=done.events, left=done.left, purged=purged)

    def due(self, older_than_s: float) -> Due:
        """Count what would be archived. Raises `InvalidInput`, `StoreUnavailable`."""
        _check_age(older_than_s)
        return self._store.due(older_than_s=older_than_s, limit=COUNTED)

    def run(
        self, *, older_than_s: float, go_on: Callable[[Sweep], bool] = lambda _: True, rests: bool = False
    ) -> Sweep:
        """Archive batch by batch, as long as there are any and `go_on` agrees.

        Raises `InvalidInput` for tickets that are younger than may be, `StoreUnavailable`.
        """
        _check_age(older_than_s)
        done, after = Sweep(), None
        while True:
            began = self._clock()
            batch = self._store.move(older_than_s=older_than_s, after=after, limit=BATCH)
            done = Sweep(
                tickets=done.tickets + batch.moved, events=done.events + batch.events, left=done.left + batch.left
            )
            after = batch.last
            if after is None or not go_on(done):
                self._store.ended(older_than_s=self._after_s or older_than_s, limit=COUNTED)
                return done
            if rests:
                self._sleep((self._clock() - began) * (1 - SHARE) / SHARE)


def _check_age(older_than_s: float) -> None:
    if older_than_s < LEAST_ARCHIVE_DAYS * DAY_S:
        raise InvalidInput(
            ("older_than", f"must be at least {LEAST_ARCHIVE_DAYS} days: younger tickets are still referred to")
        )
