"""What the jobs came to, added up in Redis: a job's process ends with it, and nobody could ask it for its metrics.

One HASH, `{prefix}:jobs`, with a field for each job and figure. It is lost when Redis is flushed: counters then begin
anew, which Prometheus allows for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import cast

from redis import Redis

from service.job_queue import errors_as_facts
from service.usecases.ports.figures import JobCount

_FIGURES = ("done", "failed", "seconds", "waited_s")


class RedisJobCounts:
    """Count jobs by name: how many were done and failed, how long they took and had waited."""

    def __init__(self, client: Redis, *, prefix: str) -> None:
        self._client = client
        self._key = f"{{{prefix}}}:jobs"

    def add(self, name: str, *, ok: bool, seconds: float, waited_s: float) -> None:
        """Count one job. Raises `QueueUnavailable`."""
        with errors_as_facts(), self._client.pipeline(transaction=False) as pipeline:
            pipeline.hincrby(self._key, f"{name}:{'done' if ok else 'failed'}", 1)
            pipeline.hincrbyfloat(self._key, f"{name}:seconds", seconds)
            pipeline.hincrbyfloat(self._key, f"{name}:waited_s", waited_s)
            pipeline.execute()

    def read(self) -> Sequence[JobCount]:
        """Read the counts; what is no figure of ours is passed over. Raises `QueueUnavailable`."""
        with errors_as_facts():
            fields = cast("dict[bytes, bytes]", self._client.hgetall(self._key))
        found: dict[str, dict[str, float]] = defaultdict(lambda: dict.fromkeys(_FIGURES, 0.0))
        for field, value in fields.items():
            name, _, figure = field.decode(errors="replace").rpartition(":")
            number = _number(value)
            if figure in _FIGURES and number is not None:
                found[name][figure] = number
        return [
            JobCount(
                name=name,
                done=int(one["done"]),
                failed=int(one["failed"]),
                seconds=one["seconds"],
                waited_s=one["waited_s"],
            )
            for name, one in sorted(found.items())
        ]


def _number(value: bytes) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None
