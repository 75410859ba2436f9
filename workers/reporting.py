"""What a job's process says of it: on whose behalf it runs, how long it took, what it came to."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

from redis import Redis
from rq.job import Job

from service import origin
from service.domain.errors import QueueUnavailable
from service.job_queue.counts import RedisJobCounts

log = logging.getLogger(__name__)


def report(job: Job, perform: Callable[[], bool], *, client: Redis, prefix: str) -> bool:
    """Perform a job on behalf of the request that called for it; log and count what it came to.

    What was called for by a request is logged as it is; the clock's jobs, some each second, only for who debugs.
    """
    name = (job.func_name or "unknown").rpartition(".")[2]
    waited_s = _since(job.enqueued_at)
    with origin.of(job.meta if isinstance(job.meta, dict) else {}):
        began = time.monotonic()
        ok = perform()
        seconds = time.monotonic() - began
        level = logging.INFO if origin.told() else logging.DEBUG
        about = {"job": name, "job_id": job.id, "ok": ok, "waited_ms": round(waited_s * 1000)}
        log.log(level, "job", extra=about | {"duration_ms": round(seconds * 1000, 2)})
        _count(RedisJobCounts(client, prefix=prefix), name, ok=ok, seconds=seconds, waited_s=waited_s)
    return ok


def _count(counts: RedisJobCounts, name: str, *, ok: bool, seconds: float, waited_s: float) -> None:
    try:
        counts.add(name, ok=ok, seconds=seconds, waited_s=waited_s)
    except QueueUnavailable as exc:  # the job is done all the same
        log.warning("job_not_counted", extra={"job": name, "why": exc.detail})


def _since(moment: datetime | None) -> float:
    if moment is None:
        return 0.0
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (datetime.now(UTC) - aware).total_seconds())
