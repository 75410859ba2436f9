"""The clock: a small loop that outlives every outage. What is due when is the schedule's business."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Protocol

from service.domain.errors import FairdealError

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 5.0


class Ticking(Protocol):
    """What the clock drives."""

    def tick(self) -> float:
        """Do what is due and return how long to wait, in seconds. May raise `FairdealError`."""

    def close(self) -> None:
        """Give the clock up. May raise `FairdealError`."""


def run_clock(schedule: Ticking, stop: threading.Event, beat: Callable[[], None] = lambda: None) -> None:
    """Tick until told to stop, and `beat` each time.

    An outage is logged when it begins and ends, and tried again ever more slowly.
    """
    pause_s = FIRST_PAUSE_S
    failing: str | None = None
    while not stop.is_set():
        beat()
        try:
            wait_s = schedule.tick()
        except FairdealError as exc:
            if failing != exc.code:
                log.warning("clock_stands_still", extra={"code": exc.code, "why": exc.detail})
            failing, wait_s, pause_s = exc.code, pause_s, min(2 * pause_s, LONGEST_PAUSE_S)
        else:
            if failing is not None:
                log.info("clock_goes_on", extra={"after": failing})
            failing, pause_s = None, FIRST_PAUSE_S
        stop.wait(wait_s)
    try:
        schedule.close()
    except FairdealError as exc:
        log.info("clock_lease_left_to_run_out", extra={"code": exc.code})


def stop_on_signals(stop: threading.Event) -> None:
    """Set `stop` on SIGTERM and SIGINT."""
    handler: Callable[[int, FrameType | None], None] = lambda _number, _frame: stop.set()  # noqa: E731
    signal.signal(signal.SIGTERM, handler)
    signal.signal(signal.SIGINT, handler)
