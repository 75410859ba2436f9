"""The judgement over findings, without servers."""

from __future__ import annotations

import pytest

from service.usecases.invariants import TITLES, InvariantResult, all_hold
from service.usecases.ports.invariants import Finding
from service.usecases.queue_comparison import REMEMBERED, Differences


def result(ok: bool | None, *, informational: bool = False) -> InvariantResult:
    return InvariantResult(code="I1", title=TITLES["I1"], ok=ok, violations=0, examples=(), informational=informational)


@pytest.mark.parametrize(
    ("results", "holds"),
    [
        ([], True),
        ([result(True), result(True)], True),
        ([result(True), result(False)], False),
        ([result(True), result(None)], False),
        ([result(True), result(None, informational=True)], True),
        ([result(False, informational=True)], False),
    ],
)
def test_all_hold_only_where_nothing_is_violated_or_unknown(results: list[InvariantResult], holds: bool) -> None:
    assert all_hold(results) is holds


def test_findings_add_up_and_keep_the_first_examples() -> None:
    many = Finding(violations=4, examples=("a", "b", "c", "d"), looked_at=10)
    more = Finding(violations=3, examples=("e", "f", "g"), looked_at=2)
    assert many + more == Finding(violations=7, examples=("a", "b", "c", "d", "e"), looked_at=12)


def differences(*names: str) -> Differences:
    found = Differences()
    for name in names:
        found.add(name)
    return found


def test_only_what_both_looks_saw_counts() -> None:
    both = differences("a", "b", "c") & differences("b", "c", "d")
    assert (both.count, both.examples) == (2, ("b", "c"))
    assert (differences("a") & differences("b")).count == 0


def test_a_difference_seen_twice_in_one_look_counts_once() -> None:
    assert differences("a", "a").count == 1


def test_what_is_too_much_to_remember_is_counted_all_the_same() -> None:
    names = [str(n) for n in range(REMEMBERED + 500)]
    first, second = differences(*names), differences(*names[:-200])
    assert first.count == REMEMBERED + 500
    assert (first & second).count == REMEMBERED + 300
