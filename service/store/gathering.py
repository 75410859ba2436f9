"""Requests of one process that ask PostgreSQL the same kind of question at the same time share one statement.

While a statement is under way, whoever comes waits; the next statement begins when that one has ended, and asks for all
who wait by then. So nobody is answered by a statement that was sent before they asked, and who is alone waits for
nothing. There is no thread for it: the first in line carries the statement out, then makes way (docs/adr/0047).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Generic, Protocol, TypeVar

from service.domain.errors import StoreUnavailable

K = TypeVar("K")
V = TypeVar("V")

MOST = 32
"""How many questions one statement may carry."""

PATIENCE_S = 0.1
"""A statement that takes longer is stuck, for these take a millisecond: who waits for its end asks alone, and who
shared it and sees it fail does not try once more."""


class Turn(Protocol):
    """What somebody in line waits for: a lock that whoever serves them opens."""

    def acquire(self, *, timeout: float = -1) -> bool:
        """Wait until it is open, for no longer than `timeout` seconds unless that is -1, and close it."""

    def release(self) -> None:
        """Open it."""


class _Asked(Generic[K, V]):
    """A question that waits, and what has become of it when its `turn` has come."""

    __slots__ = ("answer", "error", "is_answered", "key", "leads", "turn")

    answer: V

    def __init__(self, key: K, turn: Turn) -> None:
        self.key = key
        self.turn = turn
        turn.acquire()
        self.leads = self.is_answered = False
        self.error: StoreUnavailable | None = None


class Gathering(Generic[K, V]):
    """The questions of one process, one statement at a time.

    `together` answers some of them in their order, by one statement that begins when it is called; `alone` answers one.
    """

    def __init__(
        self,
        *,
        alone: Callable[[K], V],
        together: Callable[[Sequence[K]], Sequence[V]],
        most: int = MOST,
        patience_s: float = PATIENCE_S,
        clock: Callable[[], float] = time.monotonic,
        new_turn: Callable[[], Turn] = Lock,
    ) -> None:
        self.alone = alone
        self._together = together
        self._most = most
        self._patience_s = patience_s
        self._clock = clock
        self._new_turn = new_turn
        self._lock = Lock()
        self._is_under_way = False
        self._waiting: list[_Asked[K, V]] = []

    def ask(self, key: K) -> V:
        """Answer one question, as of a moment after it was asked.

        Raises what its statement raises. A failure is not shared: who did not lead the statement asks once more, alone.
        Only if a shared statement was stuck and ended in `StoreUnavailable`, that is raised to all.
        """
        asked: _Asked[K, V] | None = None
        with self._lock:
            if self._is_under_way:
                asked = _Asked(key, self._new_turn())
                self._waiting.append(asked)
            else:
                self._is_under_way = True
        return self._lead(key) if asked is None else self._after_waiting(asked)

    def _after_waiting(self, asked: _Asked[K, V]) -> V:
        if not asked.turn.acquire(timeout=self._patience_s):
            if self._left_the_line(asked):
                return self.alone(asked.key)
            asked.turn.acquire()  # a statement that asks for them is under way, or it is just their turn
        if asked.leads:
            return self._lead(asked.key)
        if asked.is_answered:
            return asked.answer
        if asked.error is not None:
            raise StoreUnavailable(str(asked.error)) from asked.error
        return self.alone(asked.key)

    def _lead(self, key: K) -> V:
        """Ask for oneself and for who waits, once; then make way, whatever has happened."""
        others: list[_Asked[K, V]] = []
        try:
            others += self._taken_along()
            return self._ask_with(others, key) if others else self.alone(key)
        finally:
            self._make_way()
            for each in others:
                each.turn.release()

    def _ask_with(self, others: Sequence[_Asked[K, V]], key: K) -> V:
        began = self._clock()
        try:
            mine, *answers = self._together([key, *(each.key for each in others)])
        except StoreUnavailable as exc:
            if self._clock() - began > self._patience_s:
                for each in others:
                    each.error = exc
            raise
        for each, answer in zip(others, answers, strict=True):
            each.answer, each.is_answered = answer, True
        return mine

    def _taken_along(self) -> list[_Asked[K, V]]:
        with self._lock:
            taken = self._waiting[: self._most - 1]
            del self._waiting[: self._most - 1]
        return taken

    def _make_way(self) -> None:
        """Have the first in line lead; when nobody waits, whoever comes next leads at once."""
        with self._lock:
            self._is_under_way = bool(self._waiting)
            if self._waiting:
                first = self._waiting.pop(0)
                first.leads = True
                first.turn.release()

    def _left_the_line(self, asked: _Asked[K, V]) -> bool:
        with self._lock:
            is_waiting = asked in self._waiting
            if is_waiting:
                self._waiting.remove(asked)
        return is_waiting
