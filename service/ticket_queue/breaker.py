"""The circuit breaker: a dead Redis must not cost every request a timeout."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from service.domain.errors import QueueUnavailable

log = logging.getLogger(__name__)

UNREACHABLE = (RedisConnectionError, RedisTimeoutError, OSError)
"""What a server that is not there makes redis-py raise."""

FAILURES = 3
"""Calls that must fail in a row before the circuit opens."""

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 2.0
"""How long an open circuit lets nobody through; doubled each time the one let through afterwards fails too."""


class CircuitBreaker:
    """Let calls through while they succeed; after some failures let one through from time to time, to see.

    One for each process and server. The pattern is Michael Nygard's ("Release It!", 2007). The lock is held for
    bookkeeping alone, never during a call.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._pause_s = FIRST_PAUSE_S
        self._open_until = 0.0

    @property
    def is_open(self) -> bool:
        """Say whether calls are being refused, apart from the one that looks whether the server is back."""
        return self._failures >= FAILURES

    def guard(self) -> CircuitBreaker:
        """Wrap one call to the server. Raises `QueueUnavailable` at once while the circuit is open."""
        return self  # nothing of a call is kept here, so that all calls may share it

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        """Learn from how the call went; errors that are not the server's say nothing about it."""
        if isinstance(error, UNREACHABLE):
            self._failed()
        elif error is None or isinstance(error, RedisError):
            self._succeeded()  # it answered, and be it that it is out of memory or a replica

    def __enter__(self) -> None:
        """Let the call through, or not."""
        if not self.is_open:
            return
        with self._lock:
            now = self._clock()
            if self.is_open and now < self._open_until:
                raise QueueUnavailable("The queue has not answered for a while; it is tried again shortly")
            self._open_until = now + self._pause_s  # this caller goes and sees, the others wait for what it finds

    def _failed(self) -> None:
        with self._lock:
            self._failures += 1
            if self._failures >= FAILURES:
                if self._failures == FAILURES:
                    log.warning("circuit_opened")
                else:
                    self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
                self._open_until = self._clock() + self._pause_s

    def _succeeded(self) -> None:
        if self._failures == 0:
            return
        with self._lock:
            if self.is_open:
                log.warning("circuit_closed")
            self._failures, self._pause_s = 0, FIRST_PAUSE_S
