"""The Redis client: short waits, no retries of its own, drivers' errors turned into facts."""

from __future__ import annotations

from contextlib import AbstractContextManager

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


class _ErrorsAsFacts:
    """A class and not a generator: each call to the server passes here."""

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        """Put our own error in the place of theirs."""
        if isinstance(error, RedisError | OSError):
            raise QueueUnavailable(f"The queue did not answer ({type(error).__name__}); try again shortly") from error


ERRORS_AS_FACTS = _ErrorsAsFacts()


def errors_as_facts() -> AbstractContextManager[None]:
    """Raise `QueueUnavailable` for whatever redis-py raises."""
    return ERRORS_AS_FACTS
