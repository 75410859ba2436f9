"""The Redis client: short waits, no retries of its own, drivers' errors turned into facts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis
from redis.exceptions import RedisError

from service.domain.errors import QueueUnavailable
from service.redis_servers import clients
from service.ticket_queue.keys import Keys


def make_client(url: str, *, timeout_ms: int, keys: Keys | None = None) -> Redis:
    """Make a client that connects on first use and never repeats a command by itself; for a Cluster, name the `keys`.

    Raises `ValueError` for a bad address.
    """
    key = None if keys is None else keys.generation
    return clients.make_client(url, timeout_ms=timeout_ms, text=True, key=key)


@contextmanager
def errors_as_facts() -> Iterator[None]:
    """Raise `QueueUnavailable` for whatever redis-py raises."""
    try:
        yield
    except (RedisError, OSError) as exc:
        raise QueueUnavailable(f"The queue did not answer ({type(exc).__name__}); try again shortly") from exc
