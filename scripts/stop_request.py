"""Being asked to stop, by Ctrl-C or a signal, at any moment."""

from __future__ import annotations

import signal
from types import FrameType


class StopRequestedError(Exception):
    """End what is under way: somebody asked us to stop."""


class StopRequest:
    """Remember that somebody asked us to stop.

    The signal only leaves a note, so that it never tears a step apart half way (a child started, and not yet
    written down); every wait looks at the note. Asking twice changes nothing: each step of the stop is bounded.
    """

    def __init__(self) -> None:
        """Begin with nobody having asked."""
        self.requested = False

    def listen(self) -> None:
        """Take note of SIGINT, SIGTERM and SIGHUP from now on."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue  # started by nohup: it is to outlive its terminal
            signal.signal(number, self._note)

    def check(self) -> None:
        """Raise `StopRequestedError` if somebody asked."""
        if self.requested:
            raise StopRequestedError

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.requested = True
