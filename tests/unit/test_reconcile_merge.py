"""The merge of queue and open tickets: what is in only one of them, whatever the page sizes."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from service.usecases.reconciliation.batches import batches
from service.usecases.reconciliation.merge import compare

ids = st.sets(st.integers(1, 200), max_size=80)
sizes = st.integers(1, 30)


@given(ids, ids, sizes, sizes)
def test_finds_exactly_what_is_in_only_one(queued: set[int], opened: set[int], queue_size: int, open_size: int) -> None:
    stretches = list(compare(batches(sorted(queued), queue_size), batches(sorted(opened), open_size)))
    assert [one for stretch in stretches for one in stretch.missing] == sorted(opened - queued)
    assert [one for stretch in stretches for one in stretch.phantom] == sorted(queued - opened)
    assert sum(stretch.compared for stretch in stretches) == len(opened)


@given(ids, sizes, sizes)
def test_finds_nothing_where_there_is_nothing(both: set[int], queue_size: int, open_size: int) -> None:
    for stretch in compare(batches(sorted(both), queue_size), batches(sorted(both), open_size)):
        assert stretch.missing == stretch.phantom == []


def test_empty_pages_do_not_end_a_stream() -> None:
    stretches = list(compare(iter([[1], [], [2, 3]]), iter([[], [1, 2], [3]])))
    assert all(not stretch.missing and not stretch.phantom for stretch in stretches)
    assert sum(stretch.compared for stretch in stretches) == 3


class Counted(int):
    """An id that is counted as long as somebody keeps it: exact, whatever other threads of the process allocate."""

    alive = 0
    most = 0

    def __init__(self, _: int) -> None:
        Counted.alive += 1
        Counted.most = max(Counted.most, Counted.alive)

    def __del__(self) -> None:
        Counted.alive -= 1


def test_memory_does_not_grow_with_the_queue() -> None:
    page = 1_000

    def stream(length: int) -> Iterator[list[int]]:
        for start in range(1, length + 1, page):
            yield [Counted(one) for one in range(start, min(start + page, length + 1))]

    for stretch in compare(stream(50_000), stream(50_500)):
        assert not stretch.phantom
    assert 2 * page <= Counted.most <= 4 * page, "more than the pages at hand and the stretch that is looked at"
