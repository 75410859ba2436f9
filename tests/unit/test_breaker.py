"""The circuit breaker, with a clock of its own."""

from __future__ import annotations

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from service.domain.errors import QueueUnavailable
from service.ticket_queue.breaker import FAILURES, FIRST_PAUSE_S, LONGEST_PAUSE_S, CircuitBreaker


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> CircuitBreaker:
    return CircuitBreaker(clock=clock)


def fail(breaker: CircuitBreaker, error: Exception | None = None) -> None:
    error = error or RedisConnectionError()
    with pytest.raises(type(error)), breaker.guard():
        raise error


def succeed(breaker: CircuitBreaker) -> None:
    with breaker.guard():
        pass


def refuses(breaker: CircuitBreaker) -> bool:
    try:
        succeed(breaker)
    except QueueUnavailable:
        return True
    return False


def test_opens_after_some_failures_in_a_row(breaker: CircuitBreaker) -> None:
    for error in [RedisConnectionError(), RedisTimeoutError(), ConnectionRefusedError()][:FAILURES]:
        assert not breaker.is_open
        fail(breaker, error)
    assert breaker.is_open
    assert refuses(breaker)


def test_a_success_in_between_counts_the_failures_anew(breaker: CircuitBreaker) -> None:
    for _ in range(5):
        for _ in range(FAILURES - 1):
            fail(breaker)
        succeed(breaker)
    assert not breaker.is_open


def test_a_server_that_answers_with_an_error_is_there(breaker: CircuitBreaker) -> None:
    for _ in range(10):
        fail(breaker, ResponseError("OOM command not allowed"))
    assert not breaker.is_open


def test_one_caller_goes_and_sees_while_the_others_wait(breaker: CircuitBreaker, clock: Clock) -> None:
    for _ in range(FAILURES):
        fail(breaker)
    clock.now += FIRST_PAUSE_S
    with breaker.guard():
        assert refuses(breaker)
    assert not breaker.is_open
    assert not refuses(breaker)


def test_waits_longer_each_time_up_to_a_limit(breaker: CircuitBreaker, clock: Clock) -> None:
    for _ in range(FAILURES):
        fail(breaker)
    pause_s = FIRST_PAUSE_S
    for _ in range(8):
        clock.now += pause_s * 0.99
        assert refuses(breaker)
        clock.now += pause_s * 0.02
        fail(breaker)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
    clock.now += LONGEST_PAUSE_S
    succeed(breaker)
    assert not breaker.is_open


def test_closing_makes_the_next_pause_short_again(breaker: CircuitBreaker, clock: Clock) -> None:
    for _ in range(FAILURES):
        fail(breaker)
    for _ in range(5):
        clock.now += LONGEST_PAUSE_S
        fail(breaker)
    clock.now += LONGEST_PAUSE_S
    succeed(breaker)
    for _ in range(FAILURES):
        fail(breaker)
    clock.now += FIRST_PAUSE_S
    assert not refuses(breaker)
