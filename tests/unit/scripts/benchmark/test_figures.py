"""Percentiles, medians and ratios."""

from __future__ import annotations

import json

import pytest

from scripts.benchmark.figures import Round, Row, as_json, in_turns, median, percentile, ratio, rounded, row_from

HUNDRED = [float(n) for n in range(1, 101)]


@pytest.mark.parametrize(("percent", "value"), [(50, 50.0), (95, 95.0), (99, 99.0), (100, 100.0), (0, 1.0)])
def test_percentile_is_a_value_that_was_measured(percent: float, value: float) -> None:
    assert percentile(HUNDRED, percent) == value


def test_percentile_of_few_is_the_largest_that_is_needed() -> None:
    assert percentile([1.0, 2.0, 9.0], 99) == 9.0
    assert percentile([7.0], 50) == 7.0
    assert percentile([], 50) == 0.0


def test_median_is_not_moved_by_one_bad_round() -> None:
    assert median([10.0, 1.0, 11.0]) == 10.0
    assert median([]) == 0.0


def test_ratio_of_nothing_is_none() -> None:
    assert ratio(1.0, 2.0) == 0.5
    assert ratio(1.0, 0.0) is None


def _row() -> Row:
    rounds = [
        Round(seconds=2.0, count=100, p99_ms=9.0, errors={"503 away": 2}, cpu_us={"web": 10.0}),
        Round(seconds=2.0, count=300, p99_ms=3.0, cpu_us={"web": 30.0, "Redis": 4.0}),
        Round(seconds=1.0, count=100, p99_ms=5.0, cpu_us={"web": 20.0}),
    ]
    return Row(scenario="fetch", what="service", unit="claims", connections=32, rounds=rounds)


def test_row_takes_the_median_of_its_rounds_and_all_of_their_errors() -> None:
    row = _row()
    assert row.rate == 100.0
    assert row.middle("p99_ms") == 5.0
    assert row.middle_of("cpu_us", "web") == 20.0
    assert row.keys_of("cpu_us") == ["web", "Redis"]
    assert row.errors == 2


def test_row_comes_back_from_json_as_it_was() -> None:
    assert row_from(json.loads(json.dumps(as_json(_row())))) == _row()


def test_round_that_took_no_time_has_no_rate() -> None:
    assert Round(seconds=0.0, count=5).rate == 0.0


def test_what_was_measured_in_turns_is_divided_round_by_round() -> None:
    ours, theirs = _row(), _row()
    theirs.rounds = [Round(seconds=1.0, count=count) for count in (200, 100, 50)]
    assert in_turns(ours, theirs) == 1.5  # of 0.25, 1.5 and 2, while both medians are 100
    assert in_turns(ours, theirs, lambda each: each.count) == 2.0
    theirs.rounds = [Round(seconds=0.0, count=1)]
    assert in_turns(ours, theirs) is None


def test_numbers_are_kept_to_four_decimals() -> None:
    assert rounded({"a": [1.23456789, 2], "b": {"c": "1.23456789"}}) == {"a": [1.2346, 2], "b": {"c": "1.23456789"}}
