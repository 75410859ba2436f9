"""Bounded waiting on a condition, open to interruption."""

from __future__ import annotations

import time
from collections.abc import Callable

Check = Callable[[], None]
"""Called on every turn of a wait; raises to end the wait early (a stop was asked for)."""


def never_interrupted() -> None:
    """Let every wait run its course."""


def wait_until(
    condition: Callable[[], bool], timeout_s: float, *, check: Check = never_interrupted, pause_s: float = 0.02
) -> bool:
    """Wait until `condition` holds; say whether it did within `timeout_s` seconds."""
    deadline = time.monotonic() + timeout_s
    while True:
        check()
        if condition():
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(pause_s)
