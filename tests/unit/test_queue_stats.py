"""The queue in figures: what is open is counted anew, unless there is so much that counting takes its time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from service.domain.errors import QueueUnavailable, StoreUnavailable
from service.domain.model import Priority
from service.usecases.ports.backlog import COUNTED_AT_ONCE, Backlog
from service.usecases.queue_stats import LARGE_FOR_S, QueueStats

HIGH, MEDIUM, LOW = Priority.HIGH, Priority.MEDIUM, Priority.LOW


class Store:
    """So many open tickets of each priority; `counted` says how often all of them were counted."""

    def __init__(self, **open_: int) -> None:
        self.open = {priority: open_.get(priority.value, 0) for priority in Priority}
        self.counted = 0

    def backlog(self) -> Backlog:
        return Backlog(open={p: min(n, COUNTED_AT_ONCE) for p, n in self.open.items()}, waited_s={})

    def count_all(self) -> Mapping[Priority, int]:
        self.counted += 1
        return dict(self.open)


class AwayQueue:
    def is_trusted(self) -> bool:
        raise QueueUnavailable("away")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def stats_of(store: Any, clock: Clock) -> QueueStats:
    queue: Any = AwayQueue()
    return QueueStats(queue=queue, audit=queue, store=store, clock=clock)


def test_a_backlog_quickly_counted_is_counted_each_time() -> None:
    store = Store(high=1, medium=COUNTED_AT_ONCE - 1)
    stats = stats_of(store, Clock())
    assert stats.read().open == store.open
    store.open[HIGH] = 7
    assert stats.read().open[HIGH] == 7
    assert store.counted == 0


def test_a_large_backlog_is_counted_now_and_then_and_the_small_ones_beside_it_each_time() -> None:
    store, clock = Store(high=3, medium=1_000_000), Clock()
    stats = stats_of(store, clock)
    assert stats.read().open == store.open
    store.open |= {HIGH: 4, MEDIUM: 999_000}
    assert stats.read().open == {HIGH: 4, MEDIUM: 1_000_000, LOW: 0}
    assert store.counted == 1
    clock.now += LARGE_FOR_S
    assert stats.read().open == {HIGH: 4, MEDIUM: 999_000, LOW: 0}
    assert store.counted == 2


def test_a_backlog_that_has_become_large_since_it_was_counted_is_not_told_as_small() -> None:
    store = Store(high=COUNTED_AT_ONCE, low=5)
    stats = stats_of(store, Clock())
    stats.read()
    store.open[LOW] = 20_000
    assert stats.read().open == {HIGH: COUNTED_AT_ONCE, MEDIUM: 0, LOW: COUNTED_AT_ONCE}


def test_a_store_that_is_away_while_counting_is_a_fact() -> None:
    class Away(Store):
        def count_all(self) -> Mapping[Priority, int]:
            raise StoreUnavailable("away")

    with pytest.raises(StoreUnavailable):
        stats_of(Away(medium=COUNTED_AT_ONCE), Clock()).read()
