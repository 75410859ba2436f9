"""What a reconciliation costs others, looked at from outside: the memory of its process, and waits for Redis."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path
from typing import Self

from redis import RedisError

from tests.faults.stand import Stand

SLOW_US = 500
PAUSE_S = 0.01


class Gauge:
    """Watch a stand while it is entered."""

    def __init__(self, stand: Stand) -> None:
        self.peak_mib = 0.0
        self.slow: list[tuple[float, str]] = []
        """Redis commands that took longer than half a millisecond: how long, in ms, and which; the slowest first."""
        self._stand = stand
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._stand.redis_call("CONFIG", "SET", "slowlog-log-slower-than", SLOW_US)
        self._stand.redis_call("SLOWLOG", "RESET")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        with contextlib.closing(self._stand.redis_client()) as client, contextlib.suppress(RedisError):
            entries = client.slowlog_get(128)
        self.slow = sorted(((each["duration"] / 1_000, _name(each["command"])) for each in entries), reverse=True)

    def _watch(self) -> None:
        while not self._done.is_set():
            for pid in self._stand.worker.children():
                self.peak_mib = max(self.peak_mib, _resident_mib(pid))
            time.sleep(PAUSE_S)


def _resident_mib(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:  # it has just ended
        return 0.0
    sizes = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")]
    return int(sizes[0]) / 1024 if sizes else 0.0


def _name(command: object) -> str:
    text = command.decode(errors="replace") if isinstance(command, bytes) else str(command)
    return " ".join(text.split()[:4])[:100]
