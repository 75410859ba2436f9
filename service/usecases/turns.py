"""Taking turns at what is costly: few at once, few more wait, and the rest is told to come back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock, local

from service.domain.errors import PasswordsBusy

PATIENCE_S = 5.0
"""How long to wait for a turn."""


class Turns:
    """Give turns to the threads of one process: `at_once` work while `waiting` more wait, each for `patience_s`.

    A thread may take its turn again within its turn.
    """

    def __init__(self, *, at_once: int, waiting: int, patience_s: float = PATIENCE_S) -> None:
        self._free = BoundedSemaphore(at_once)
        self._may_wait = waiting
        self._patience_s = patience_s
        self._lock = Lock()
        self._mine = local()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Work in one's turn. Raises `PasswordsBusy`."""
        if getattr(self._mine, "has_turn", False):
            yield
            return
        if not self._free.acquire(blocking=False):
            self._wait()
        self._mine.has_turn = True
        try:
            yield
        finally:
            self._mine.has_turn = False
            self._free.release()

    def _wait(self) -> None:
        with self._lock:
            if self._may_wait <= 0:
                raise _busy()
            self._may_wait -= 1
        try:
            is_free = self._free.acquire(timeout=self._patience_s)
        finally:
            with self._lock:
                self._may_wait += 1
        if not is_free:
            raise _busy()


def _busy() -> PasswordsBusy:
    return PasswordsBusy("Many people are signing in just now; try again in a second.", retry_after_s=1)
