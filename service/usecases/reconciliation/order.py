"""Which entries of a queue stand in their order, and which stand in the way."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import compress, islice
from operator import ge, lt


@dataclass(frozen=True, slots=True)
class Sifted:
    """One page of a queue: `ordered` goes on strictly ascending from page to page, `strays` is the rest."""

    ordered: list[int]
    strays: list[int]


def sift(pages: Iterable[list[int]]) -> Iterator[Sifted]:
    """Split a queue's pages into a strictly ascending run, as long as can be seen, and the strays between.

    Each page is judged together with the one after it: a huge id at the head or at the end of a page then makes itself
    a stray, not all that follows. Memory is that of two pages; time is linear where the queue is in order.
    """
    last = 0
    page: list[int] | None = None
    for following in pages:
        if page is not None:
            sifted = _judge(page, following, last)
            last = sifted.ordered[-1] if sifted.ordered else last
            yield sifted
        page = following
    if page is not None:
        yield _judge(page, [], last)


def _judge(page: list[int], following: list[int], last: int) -> Sifted:
    seen = page + following
    if not seen or (seen[0] > last and is_ascending(seen)):
        return Sifted(page, [])
    ordered: list[int] = []
    strays: list[int] = []
    done = 0
    for place in longest_run(seen, last):
        if place >= len(page):
            break
        strays += page[done:place]
        ordered.append(page[place])
        done = place + 1
    strays += page[done:]
    return Sifted(ordered, strays)


def is_ascending(entries: list[int]) -> bool:
    """Say whether each entry is greater than the one before."""
    return all(map(lt, entries, islice(entries, 1, None)))


def longest_run(entries: list[int], last: int) -> list[int]:
    """Return the places of a longest strictly ascending subsequence of the entries that are greater than `last`.

    Patience sorting: for each length, remember the smallest entry that ends a run of it. A stretch that goes on
    ascending from the longest run so far is taken as a whole, at the speed of C: most of a queue is in order.
    """
    ends: list[int] = []
    places: list[int] = []
    before: list[int] = [-1] * len(entries)
    for begin, end in _ascending_stretches(entries):
        for place in range(bisect_right(entries, last, begin, end), end):
            entry = entries[place]
            if not ends or entry > ends[-1]:
                before[place:end] = [places[-1] if places else -1, *range(place, end - 1)]
                ends += entries[place:end]
                places += range(place, end)
                break
            length = bisect_left(ends, entry)
            before[place] = places[length - 1] if length else -1
            ends[length], places[length] = entry, place
    run: list[int] = []
    place = places[-1] if places else -1
    while place >= 0:
        run.append(place)
        place = before[place]
    return run[::-1]


def _ascending_stretches(entries: list[int]) -> Iterator[tuple[int, int]]:
    """Cut the entries where one is not greater than the one before: begin and end of each stretch."""
    begin = 0
    for end in compress(range(1, len(entries)), map(ge, entries, islice(entries, 1, None))):
        yield begin, end
        begin = end
    yield begin, len(entries)
