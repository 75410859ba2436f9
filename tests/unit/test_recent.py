"""Working something out once for all who ask at about the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from service.usecases.recent import Recent
from tests.fakes.clock import FakeClock


def counting() -> Callable[[], int]:
    made = iter(range(1, 100))
    return lambda: next(made)


def test_a_value_is_shared_until_it_is_old() -> None:
    clock = FakeClock()
    shared = Recent(counting(), for_s=3, clock=clock)
    assert [shared.get(), shared.get()] == [1, 1]
    clock.sleep(3)
    assert [shared.get(), shared.get()] == [2, 2]


def test_what_takes_long_is_kept_longer() -> None:
    clock = FakeClock()
    made = counting()

    costs_s = [0.1, 0.25, 10.0]

    def slowly() -> int:
        value = made()
        clock.sleep(costs_s[(value - 1) % 3])
        return value

    shared = Recent(slowly, for_s=3, clock=clock)
    for kept_s in (3, 5, 9):
        value = shared.get()
        clock.sleep(kept_s - 0.01)
        assert shared.get() == value
        clock.sleep(0.02)


def test_what_is_forgotten_is_worked_out_anew() -> None:
    shared = Recent(counting(), for_s=3, clock=FakeClock())
    shared.get()
    shared.forget()
    assert shared.get() == 2


def test_who_asks_while_another_works_it_out_gets_the_one_before() -> None:
    clock = FakeClock()
    begun, may_end = threading.Event(), threading.Event()
    made = counting()

    def slowly() -> int:
        value = made()
        if value > 1:
            begun.set()
            assert may_end.wait(30)
        return value

    shared = Recent(slowly, for_s=3, clock=clock)
    shared.get()
    clock.sleep(4)
    worker = threading.Thread(target=shared.get)
    worker.start()
    assert begun.wait(30)
    assert shared.get() == 1
    may_end.set()
    worker.join(30)
    assert shared.get() == 2


def test_an_error_is_not_kept() -> None:
    answers = iter([ValueError("away"), 7])

    def work_out() -> int:
        answer = next(answers)
        if isinstance(answer, ValueError):
            raise answer
        return answer

    shared = Recent(work_out, for_s=3, clock=FakeClock())
    with pytest.raises(ValueError, match="away"):
        shared.get()
    assert shared.get() == 7
