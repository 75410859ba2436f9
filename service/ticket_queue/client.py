"""The Redis client: short waits, no retries of its own, drivers' errors turned into facts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from service.domain.errors import QueueUnavailable

MAX_CONNECTIONS = 1_024
"""Far above the threads of a process, which are what bounds connections: redis-py's own 100 fails the next thread."""


def make_client(url: str, *, timeout_ms: int) -> Redis:
    """Make a client that connects on first use and never repeats a command by itself.

    redis-py retries by default; where only the reply was lost, that runs a script twice.
    """
    return Redis.from_url(
        url,
        socket_timeout=timeout_ms / 1000,
        socket_connect_timeout=timeout_ms / 1000,
        retry=Retry(NoBackoff(), 0),
        retry_on_error=[],
        max_connections=MAX_CONNECTIONS,
        health_check_interval=0,
        decode_responses=True,
        encoding_errors="backslashreplace",
        protocol=2,
    )


@contextmanager
def errors_as_facts() -> Iterator[None]:
    """Raise `QueueUnavailable` for whatever redis-py raises."""
    try:
        yield
    except (RedisError, OSError) as exc:
        raise QueueUnavailable(f"The queue did not answer ({type(exc).__name__}); try again shortly") from exc
