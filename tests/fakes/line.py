"""A line whose waiting is seen, and ends when a test says so: turns for `service.store.gathering.Gathering`."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import TypeVar

LIMIT_S = 30

V = TypeVar("V")


class LineTurn:
    """A turn that comes when it is released, or whose wait runs out by order."""

    def __init__(self) -> None:
        self.is_in_line = Event()
        self._is_open = Event()
        self._goes_on = Event()
        self._ran_out = False
        self._open_is_missed = False
        self._is_open.set()  # as a new lock is

    def acquire(self, *, timeout: float = -1) -> bool:
        if timeout == -1:
            assert self._is_open.wait(LIMIT_S)
            self._is_open.clear()
            return True
        self.is_in_line.set()
        assert (self._is_open if self._open_is_missed else self._goes_on).wait(LIMIT_S)
        if self._ran_out or self._open_is_missed:
            return False
        self._is_open.clear()
        return True

    def release(self) -> None:
        self._is_open.set()
        self._goes_on.set()

    def run_out(self) -> None:
        """Have whoever waits lose patience now."""
        self._ran_out = True
        self._goes_on.set()

    def run_out_when_open(self) -> None:
        """Have whoever waits lose patience in the moment in which their turn comes."""
        self._open_is_missed = True


class Line:
    """Makes the turns, and sends people into the line one after the other."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._turns: list[LineTurn] = []
        self._came = Event()

    def new_turn(self) -> LineTurn:
        turn = LineTurn()
        self._turns.append(turn)
        self._came.set()
        return turn

    def __len__(self) -> int:
        """Count who have ever waited."""
        return len(self._turns)

    def join(self, ask: Callable[[], V]) -> tuple[Future[V], LineTurn]:
        """Ask in a thread, and come back when that waits in line."""
        self._came.clear()
        asking = self._pool.submit(ask)
        assert self._came.wait(LIMIT_S)
        turn = self._turns[-1]
        assert turn.is_in_line.wait(LIMIT_S)
        return asking, turn
