"""How the kernel is to share the processors out among our processes."""

from __future__ import annotations

import os
from contextlib import suppress


def wait_for_turns() -> None:
    """Have this process's threads, present and to come, never interrupt whoever runs when they wake up (Linux).

    By default a thread that is woken may take the place of the one that woke it, which has to be switched to once more:
    where web, PostgreSQL and Redis share two processors, that was a fifth of the web's switches for a fetch that
    assigns, and two fifths for a poll (docs/adr/0049).
    """
    if hasattr(os, "SCHED_BATCH"):
        with suppress(OSError):  # a sandbox may forbid it
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
