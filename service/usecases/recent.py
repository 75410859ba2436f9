"""What several may look at at once is worked out once, and again only when it is some seconds old."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")

STALE = 10
"""An old value will do while a new one is worked out, unless it is so many times older than it should be."""

REST = 20
"""What took long is kept longer: it is not worked out again before so many times as long have passed,"""
LONGEST = 3
"""unless that is so many times as long as it should be kept: it may have taken long because something is away."""


class Recent(Generic[Value]):
    """Share a value among threads for `for_s` seconds by `clock` (seconds, monotonic)."""

    def __init__(self, work_out: Callable[[], Value], *, for_s: float, clock: Callable[[], float]) -> None:
        self._work_out = work_out
        self._for_s = for_s
        self._clock = clock
        self._lock = threading.Lock()
        self._rests_s = for_s
        self._kept: tuple[float, Value] | None = None

    def get(self) -> Value:
        """Return the value. One thread works a new one out; the others meanwhile get the one before, if there is one.

        Raises what working it out raises; the next to ask tries again.
        """
        kept = self._kept
        if kept is not None and self._is_younger(kept, self._rests_s):
            return kept[1]
        will_do = kept is not None and self._is_younger(kept, STALE * self._rests_s)
        if not self._lock.acquire(blocking=not will_do):
            return kept[1]  # type: ignore[index] # somebody is at it, and this is not so old
        try:
            if self._kept is not None and self._is_younger(self._kept, self._rests_s):
                return self._kept[1]
            began = self._clock()
            value = self._work_out()
            self._rests_s = min(max(self._for_s, REST * (self._clock() - began)), LONGEST * self._for_s)
            self._kept = (self._clock(), value)
            return value
        finally:
            self._lock.release()

    def forget(self) -> None:
        """Have the next to ask work it out anew."""
        self._kept = None

    def _is_younger(self, kept: tuple[float, Value], age_s: float) -> bool:
        return self._clock() - kept[0] < age_s
