"""The clock's loop: it outlives what its schedule raises, and stops at once."""

from __future__ import annotations

import logging
import threading

import pytest

from service.domain.errors import QueueUnavailable, StoreUnavailable
from workers.clock import run_clock


class Waits(threading.Event):
    """An event that remembers how long it was waited for, and waits for nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0)
        return self.is_set()


class Scripted:
    """A schedule that raises or returns what it was told to, then stops the clock."""

    def __init__(self, stop: threading.Event, *answers: float | Exception) -> None:
        self._stop = stop
        self._answers = list(answers)
        self.closed = False

    def tick(self) -> float:
        answer = self._answers.pop(0)
        if not self._answers:
            self._stop.set()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        self.closed = True
        raise StoreUnavailable("away")


def test_an_outage_is_waited_out_ever_more_slowly_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    stop = Waits()
    away = QueueUnavailable("away")
    schedule = Scripted(stop, 1.0, *[away] * 6, 1.0, away, 1.0)
    run_clock(schedule, stop)
    assert stop.waits == [1.0, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 1.0, 0.5, 1.0]
    events = [record.message for record in caplog.records]
    assert events == ["clock_stands_still", "clock_goes_on"] * 2 + ["clock_lease_left_to_run_out"]
    assert schedule.closed


def test_another_outage_is_logged_again(caplog: pytest.LogCaptureFixture) -> None:
    stop = Waits()
    run_clock(Scripted(stop, QueueUnavailable("a"), StoreUnavailable("b"), StoreUnavailable("b"), 1.0), stop)
    assert [record.__dict__.get("code") for record in caplog.records][:2] == ["queue_unavailable", "store_unavailable"]


def test_a_clock_told_to_stop_does_not_tick() -> None:
    stop = Waits()
    stop.set()
    run_clock(Scripted(stop), stop)


def test_a_bug_is_not_mistaken_for_an_outage() -> None:
    stop = Waits()
    with pytest.raises(ZeroDivisionError):
        run_clock(Scripted(stop, ZeroDivisionError(), 1.0), stop)
