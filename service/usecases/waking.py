"""Waking dispatch, off the request path: whoever changes something rings, and a thread looks and calls the job.

Ringing costs a flag. However often it is rung, PostgreSQL is asked a few times a second at the most whether there is
anything to dispatch and anybody to take it, and only then a job is called. What is rung is answered by a look that
begins afterwards, so nothing is missed; what rings in a process that dies is seen by the clock, which looks from time
to time.
"""

from __future__ import annotations

import atexit
import logging
import threading
from contextvars import Context, copy_context
from typing import Protocol

from service.domain.errors import QueueUnavailable, StoreUnavailable
from service.usecases.dispatch import JOB
from service.usecases.ports.dispatch import JobCalls

log = logging.getLogger(__name__)

PAUSE_S = 0.05
"""Least time between two looks while there is something to dispatch."""

IDLE_PAUSE_S = 0.25
"""The same while there is nothing, or nobody to take it: what a change may have to wait that alters that."""

OUTAGE_PAUSE_S = 5.0
"""The same after PostgreSQL or Redis did not answer."""


class Need(Protocol):
    """Whether there is anything to dispatch."""

    def is_needed(self) -> bool:
        """Say so. Raises `StoreUnavailable`."""


class Bell:
    """Wake dispatch when it is rung, and there is something for it to do.

    The thread is started by the first ring, so that making the bell before a fork does no harm.
    """

    def __init__(self, *, need: Need, calls: JobCalls) -> None:
        self._need = need
        self._calls = calls
        self._rung = threading.Event()
        self._closing = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._rung_in: Context | None = None
        """Who rang first since the last look: the job is called on their behalf. Let go of once that is done."""

    def ring(self) -> None:
        """Say that something was queued, that a hand has room, or that an agent has changed. Never fails."""
        if self._rung.is_set():
            return
        self._rung_in = copy_context()
        self._rung.set()
        if self._thread is None and not self._closing.is_set():
            self._start()

    def look(self) -> bool:
        """Call the job if there is something for it to do, and say whether there is.

        Raises `StoreUnavailable`, `QueueUnavailable`.
        """
        if not self._need.is_needed():
            return False
        self._calls.call(JOB)
        return True

    def close(self) -> None:
        """End the thread, and answer what was rung last."""
        if self._closing.is_set():
            return
        self._closing.set()
        was_rung = self._rung.is_set()
        self._rung.set()
        if self._thread is not None:
            self._thread.join(timeout=10)
        if was_rung:
            self._answer_who_rang()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="dispatch-bell", daemon=True)
                self._thread.start()
                atexit.register(self.close)

    def _run(self) -> None:
        while True:
            self._rung.wait()
            if self._closing.is_set():
                return
            self._rung.clear()
            self._closing.wait(self._answer_who_rang())

    def _answer_who_rang(self) -> float:
        rung_in, self._rung_in = self._rung_in, None
        return self._answer() if rung_in is None else rung_in.run(self._answer)

    def _answer(self) -> float:
        """Look, and say how long to wait before the next time."""
        try:
            return PAUSE_S if self.look() else IDLE_PAUSE_S
        except (StoreUnavailable, QueueUnavailable) as exc:
            log.warning("dispatch_not_woken", extra={"code": exc.code})
        except Exception:  # a thread that nobody watches must outlive whatever it is
            log.exception("dispatch_not_woken")
        self._rung.set()
        return OUTAGE_PAUSE_S
