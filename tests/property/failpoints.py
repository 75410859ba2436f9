"""Places where a process may die or lose touch with a store: before or after any Redis command or store call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from service.domain.errors import StoreUnavailable


class Crash(BaseException):
    """The process died. Nothing in it runs on: every store and every command is out of its reach from here."""


class Strike(StrEnum):
    """What befalls a call."""

    DIES_BEFORE = "dies before"
    DIES_AFTER = "dies after"
    REQUEST_LOST = "request lost"
    ANSWER_LOST = "answer lost"
    DOWN = "down from there on"


class Side(StrEnum):
    """Which calls are counted."""

    REDIS = "redis"
    STORE = "store"


@dataclass(frozen=True, slots=True)
class Fault:
    """Befall the call number `at` (from 1 on) of one operation."""

    side: Side
    strike: Strike
    at: int


@dataclass(frozen=True, slots=True)
class Done:
    """A store call that took effect, whether its answer arrived or not."""

    name: str
    result: Any
    options: Mapping[str, Any]


class Failpoints:
    """Count the calls of an operation and let its fault strike."""

    def __init__(self) -> None:
        self._fault: Fault | None = None
        self._calls = 0
        self._dead = False
        self.struck = False
        self.done: list[Done] = []

    @contextmanager
    def during(self, fault: Fault | None) -> Iterator[None]:
        """Run one operation under a fault, or none; `struck` and `done` can be read afterwards."""
        self._fault, self._calls, self._dead, self.struck, self.done = fault, 0, False, False, []
        try:
            yield
        finally:
            self._fault, self._dead = None, False

    def store_call(self, name: str, method: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Make a call to a store."""

        def work() -> Any:
            result = method(*args, **options)
            self.done.append(Done(name, result, options))
            return result

        return self._call(Side.STORE, work, lambda: StoreUnavailable("gone"))

    def command(self, send: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Send a command, or a pipeline, to Redis."""
        return self._call(Side.REDIS, lambda: send(*args, **options), lambda: RedisConnectionError("gone"))

    def _call(self, side: Side, work: Callable[[], Any], lost: Callable[[], Exception]) -> Any:
        """Make one call; `lost` is what a caller sees who gets no answer."""
        if self._dead:
            raise Crash
        strike = self._strike(side)
        if strike is Strike.DIES_BEFORE:
            self._die()
        if strike in {Strike.REQUEST_LOST, Strike.DOWN}:
            raise lost()
        result = work()
        if strike is Strike.DIES_AFTER:
            self._die()
        if strike is Strike.ANSWER_LOST:
            raise lost()
        return result

    def _strike(self, side: Side) -> Strike | None:
        if self._fault is None or self._fault.side is not side:
            return None
        self._calls += 1
        goes_on = self._fault.strike is Strike.DOWN and self._calls > self._fault.at
        if self._calls != self._fault.at and not goes_on:
            return None
        self.struck = True
        return self._fault.strike

    def _die(self) -> None:
        self._dead = True
        raise Crash


class FailingStore:
    """A store whose every method is a failpoint; each is one transaction, so there is no half of it to die in."""

    def __init__(self, store: Any, failpoints: Failpoints) -> None:
        self._store = store
        self._failpoints = failpoints

    def __getattr__(self, name: str) -> Any:
        return partial(self._failpoints.store_call, name, getattr(self._store, name))


def with_failpoints(client: Redis, failpoints: Failpoints) -> Redis:
    """Make every command of a client a failpoint, and every pipeline as a whole."""
    make_pipeline = client.pipeline

    def pipeline(*args: Any, **options: Any) -> Any:
        made = make_pipeline(*args, **options)
        made.execute = partial(failpoints.command, made.execute)
        return made

    client.execute_command = partial(failpoints.command, client.execute_command)  # type: ignore[method-assign]
    client.pipeline = pipeline  # type: ignore[method-assign]
    return client
