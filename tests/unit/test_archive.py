"""When archiving works, how long, and how gently."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from service.domain.errors import InvalidInput
from service.usecases.archive import BATCH, DAY_S, JOB, SLICE_S, Archiving
from service.usecases.ports.archive import Batch, Due, Place, SweepState
from tests.fakes.clock import FakeClock

PLACE = Place(datetime(2026, 1, 1, tzinfo=UTC), 7)


@dataclass
class FakeArchive:
    """A store in which every batch takes a second of the clock."""

    clock: FakeClock
    waiting: int
    expired: int = 0
    ends: list[float] = field(default_factory=list)

    def due(self, *, older_than_s: float, limit: int) -> Due:
        del older_than_s
        return Due(tickets=min(self.waiting, limit), is_exact=self.waiting <= limit, oldest_at=None)

    def move(self, *, older_than_s: float, after: Place | None, limit: int) -> Batch:
        del older_than_s, after
        self.clock.sleep(1.0)
        moved = min(self.waiting, limit)
        self.waiting -= moved
        return Batch(moved=moved, events=3 * moved, left=0, last=PLACE if moved == limit else None)

    def has_expired(self, *, older_than_s: float) -> bool:
        del older_than_s
        return self.expired > 0

    def purge(self, *, older_than_s: float, limit: int) -> int:
        del older_than_s
        removed = min(self.expired, limit)
        self.expired -= removed
        return removed

    def ended(self, *, older_than_s: float, limit: int) -> None:
        del limit
        self.ends.append(older_than_s)

    def states(self) -> list[SweepState]:
        return []


@dataclass
class FakeJobs:
    called: list[str] = field(default_factory=list)

    def enqueue(self, name: str, *args: str | int | bool | None, unique_id: str | None = None) -> bool:
        assert (args, unique_id) == ((), name)
        self.called.append(name)
        return True


def made(store: FakeArchive, jobs: FakeJobs | None = None, *, after_days: int = 90, keep_days: int = 0) -> Archiving:
    return Archiving(
        store=store, jobs=jobs or FakeJobs(), after_days=after_days, keep_days=keep_days,
        clock=store.clock, sleep=store.clock.sleep,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("waiting", "expired", "after_days", "keep_days", "called"),
    [
        (1, 0, 90, 0, [JOB]),
        (0, 0, 90, 0, []),
        (1, 0, 0, 0, []),
        (0, 1, 90, 365, [JOB]),
        (0, 1, 90, 0, []),
        (0, 1, 0, 365, [JOB]),
        (1, 0, 0, 365, []),
    ],
)
def test_a_job_is_called_for_only_when_there_is_something_to_do(
    waiting: int, expired: int, after_days: int, keep_days: int, called: list[str]
) -> None:
    jobs = FakeJobs()
    store = FakeArchive(FakeClock(), waiting=waiting, expired=expired)
    made(store, jobs, after_days=after_days, keep_days=keep_days).look()
    assert jobs.called == called
    assert bool(store.ends) == (after_days > 0 and not called), "that nothing waits is noted, too"


def test_a_job_gives_others_their_turn_and_rests_as_long_as_it_works() -> None:
    clock = FakeClock()
    store = FakeArchive(clock, waiting=100 * BATCH)
    began = clock()
    swept = made(store).work()
    assert 0 < swept.tickets < 100 * BATCH
    assert SLICE_S <= clock() - began <= SLICE_S + 2
    assert swept.tickets <= BATCH * (SLICE_S / 2 + 1)
    assert store.ends == [90 * DAY_S]


def test_by_hand_everything_is_moved_without_a_rest() -> None:
    clock = FakeClock()
    began = clock()
    swept = made(FakeArchive(clock, waiting=20 * BATCH + 1)).run(older_than_s=30 * DAY_S)
    assert (swept.tickets, swept.events) == (20 * BATCH + 1, 3 * (20 * BATCH + 1))
    assert clock() - began == 21


def test_what_is_kept_no_longer_goes_with_the_same_job() -> None:
    store = FakeArchive(FakeClock(), waiting=0, expired=2 * BATCH + 5)
    assert made(store, keep_days=365).work().purged == 2 * BATCH + 5
    assert made(FakeArchive(FakeClock(), waiting=0, expired=5)).work().purged == 0


def test_what_was_archived_by_hand_is_kept_no_longer_either() -> None:
    swept = made(FakeArchive(FakeClock(), waiting=5, expired=3), after_days=0, keep_days=365).work()
    assert (swept.tickets, swept.purged) == (0, 3)


def test_where_nothing_is_to_be_archived_a_job_does_nothing() -> None:
    store = FakeArchive(FakeClock(), waiting=5)
    assert made(store, after_days=0).work().tickets == 0


def test_younger_tickets_than_may_be_are_refused() -> None:
    with pytest.raises(InvalidInput):
        made(FakeArchive(FakeClock(), waiting=5)).run(older_than_s=7.9 * DAY_S)
