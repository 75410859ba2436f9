"""A log whose lines are written a few at a time, off the threads that answer requests.

A line for each request costs more than its formatting: every write gives up the interpreter, and whoever waits to
write holds a lock meanwhile. Of sixteen threads that poll, that was a tenth of what they did (docs/adr/0045).
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from contextlib import suppress
from typing import TextIO

from service.observability import request_id

PAUSE_S = 0.05
"""How long lines gather. A process that is killed loses what it would have written in that time."""

AT_ONCE = logging.WARNING
"""From this level on a line is written at once, and all that is waiting before it."""

WAITING_LIMIT = 10_000
"""Lines that wait at the most, where whoever reads them is slow; from then on each thread writes, and so waits."""


class GatheringHandler(logging.StreamHandler[TextIO]):
    """Write to stderr in the order in which things were said. Stopping the process in its own way loses nothing.

    The thread is started by the first line, also by the first after a fork.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        """Make it for a stream, or for stderr."""
        self._waiting: deque[logging.LogRecord] = deque()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._writing = threading.Lock()  # not the handler's own, which is every thread's that has a line
        self._thread: threading.Thread | None = None
        super().__init__(stream)

    def emit(self, record: logging.LogRecord) -> None:
        """Put a line on the list; write it, and what is before it, where it is urgent or too many wait."""
        record.request_id = request_id.get()  # here and not later: the thread that writes serves no request
        self._waiting.append(record)
        if record.levelno >= AT_ONCE or self._closing.is_set() or len(self._waiting) >= WAITING_LIMIT:
            self.flush()
            return
        if self._thread is None or not self._thread.is_alive():
            self._start()
        if not self._wake.is_set():
            self._wake.set()

    def flush(self) -> None:
        """Write what is waiting."""
        with self._writing:
            lines = []
            while self._waiting:
                lines.append(self._line_of(self._waiting.popleft()))
            with suppress(OSError, ValueError):  # nobody reads any more, and there is nobody to tell
                self.stream.write("".join(lines))
                self.stream.flush()

    def close(self) -> None:
        """Write what is waiting, and end the thread."""
        self._closing.set()
        self._wake.set()
        self.flush()
        super().close()

    def _line_of(self, record: logging.LogRecord) -> str:
        try:
            return self.format(record) + self.terminator
        except Exception:  # noqa: BLE001 - as `logging` has it: a line that cannot be written costs no request
            self.handleError(record)
            return ""

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # no thread to be had, or too late for one
            self.flush()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.wait()
            self._closing.wait(PAUSE_S)
            self._wake.clear()
            self.flush()
