"""Going on after a try."""

from __future__ import annotations

import pytest

from service.domain.webhooks import Outcome, Retries, Verdict, rest_s

RETRIES = Retries(max_tries=16, first_s=5, disable_after=5)


def outcome(status: int | None) -> Outcome:
    return Outcome(status=status, error=None, duration_ms=1)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_taken_for_done(status: int) -> None:
    assert RETRIES.judge(outcome(status), tries=16) is Verdict.DONE


@pytest.mark.parametrize("status", [None, 100, 199, 300, 301, 302, 307, 400, 401, 404, 408, 409, 429, 500, 503])
def test_anything_else_is_tried_again_until_patience_ends(status: int | None) -> None:
    assert RETRIES.judge(outcome(status), tries=1) is Verdict.AGAIN
    assert RETRIES.judge(outcome(status), tries=15) is Verdict.AGAIN
    assert RETRIES.judge(outcome(status), tries=16) is Verdict.GIVE_UP


def test_410_ends_it_at_once() -> None:
    assert RETRIES.judge(outcome(410), tries=1) is Verdict.DISABLE


def test_pauses_grow_to_half_a_day_and_all_tries_span_more_than_one() -> None:
    pauses = [RETRIES.pause_s(tries=tries, chance=1) for tries in range(1, 16)]
    assert pauses[:4] == [5, 10, 20, 40]
    assert pauses[-1] == 43_200
    assert 30 * 3600 < sum(pauses) < 40 * 3600


def test_chance_takes_up_to_half_of_a_pause_off() -> None:
    assert RETRIES.pause_s(tries=3, chance=0) == 10
    assert RETRIES.pause_s(tries=3, chance=0.5) == 15


def test_a_receiver_rests_for_a_minute_at_the_most() -> None:
    assert [rest_s(failures=failures, chance=1) for failures in (1, 2, 3, 7, 8, 10_000)] == [1, 2, 4, 60, 60, 60]
