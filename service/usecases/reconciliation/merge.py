"""Two ascending streams of ids, merged page by page: what is in only one of them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Difference:
    """What one stretch of ids differs by; `compared` counts the open ids in it."""

    missing: list[int]
    phantom: list[int]
    compared: int


def compare(queued: Iterable[list[int]], opened: Iterable[list[int]]) -> Iterator[Difference]:
    """Compare the queue with the open tickets, both strictly ascending, stretch by stretch.

    A stretch ends where the shorter of the two pages at hand ends, so that memory is that of two pages, and the sets
    within a stretch are compared at the speed of C.
    """
    queue_stream, open_stream = _Stream(queued), _Stream(opened)
    while True:
        ends = [end for end in (queue_stream.end(), open_stream.end()) if end is not None]
        if not ends:
            return
        in_queue, in_open = queue_stream.take(min(ends)), open_stream.take(min(ends))
        if in_queue == in_open:
            yield Difference([], [], len(in_open))
            continue
        queue_ids, open_ids = set(in_queue), set(in_open)
        yield Difference(sorted(open_ids - queue_ids), sorted(queue_ids - open_ids), len(in_open))


class _Stream:
    """Pages with a place in them."""

    def __init__(self, pages: Iterable[list[int]]) -> None:
        self._pages = iter(pages)
        self._rest: list[int] = []

    def end(self) -> int | None:
        """Return the last id at hand, reading on if need be; None at the end of the stream."""
        while not self._rest:
            page = next(self._pages, None)
            if page is None:
                return None
            self._rest = page
        return self._rest[-1]

    def take(self, bound: int) -> list[int]:
        """Take the ids up to and including `bound` from the page at hand."""
        cut = bisect_right(self._rest, bound)
        taken, self._rest = self._rest[:cut], self._rest[cut:]
        return taken
