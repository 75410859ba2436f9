"""Sorting out a queue that is not in order: pure functions."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.usecases.reconciliation.batches import batches
from service.usecases.reconciliation.order import is_ascending, longest_run, sift

HUGE = 2**63 - 1

entries = st.lists(st.integers(1, 60), max_size=60)
sizes = st.integers(1, 20)


def sifted(queue: list[int], size: int = 5) -> tuple[list[int], list[int]]:
    pages = list(sift(batches(queue, size)))
    return [entry for page in pages for entry in page.ordered], [entry for page in pages for entry in page.strays]


@given(entries, sizes)
def test_nothing_gets_lost_and_what_is_kept_ascends(queue: list[int], size: int) -> None:
    ordered, strays = sifted(queue, size)
    assert sorted(ordered + strays) == sorted(queue)
    assert is_ascending(ordered)


@given(st.sets(st.integers(1, HUGE), max_size=60), sizes)
def test_a_queue_in_order_has_no_strays(ids: set[int], size: int) -> None:
    assert sifted(sorted(ids), size) == (sorted(ids), [])


@given(st.sets(st.integers(1, 10**6), min_size=12, max_size=60), sizes.filter(lambda size: size > 1), st.data())
def test_one_entry_out_of_place_is_the_only_stray(ids: set[int], size: int, data: st.DataObject) -> None:
    queue = sorted(ids)
    source = data.draw(st.integers(0, len(queue) - 1))
    target = data.draw(st.integers(0, len(queue) - 1).filter(lambda place: abs(place - source) > 1))
    moved = queue.pop(source)
    queue.insert(target, moved)
    assert sifted(queue, size)[1] == [moved]


@pytest.mark.parametrize("place", [0, 4, 5, 9, 10])
def test_a_huge_id_makes_itself_a_stray_and_not_the_rest(place: int) -> None:
    queue = list(range(1, 101))
    queue.insert(place, HUGE)
    assert sifted(queue) == (list(range(1, 101)), [HUGE])


def test_two_huge_ids_across_a_page_boundary_are_the_strays() -> None:
    queue = [1, 2, 3, 4, HUGE - 1, HUGE, 5, 6, 7, 8, 9, 10]
    assert sifted(queue)[1] == [HUGE - 1, HUGE]


def test_the_second_of_two_equal_entries_is_the_stray() -> None:
    assert sifted([1, 2, 2, 3, 3, 3, 4]) == ([1, 2, 3, 4], [2, 3, 3])


@given(st.lists(st.integers(1, 12), max_size=9), st.integers(0, 5))
def test_the_longest_run_is_as_long_as_any(queue: list[int], last: int) -> None:
    run = [queue[place] for place in longest_run(queue, last)]
    assert is_ascending(run)
    assert all(entry > last for entry in run)
    assert len(run) == _longest_by_force([entry for entry in queue if entry > last])


def _longest_by_force(queue: list[int]) -> int:
    best = 0
    for chosen in range(2 ** len(queue)):
        picked = [entry for place, entry in enumerate(queue) if chosen >> place & 1]
        if all(a < b for a, b in pairwise(picked)):
            best = max(best, len(picked))
    return best
