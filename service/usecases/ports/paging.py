"""Pages by keyset: a cursor names a row seen and a side of it, so that any depth costs the same."""

from __future__ import annotations

from dataclasses import dataclass

COUNT_LIMIT = 10_000
"""A list's `total` is counted up to here; beyond, `total_is_exact` is False."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """Ask for `limit` rows at `cursor` (`next` or `prev` of a page), sorted by a key, descending after a '-'."""

    limit: int = 50
    cursor: str | None = None
    sort: str = "id"
    is_counted: bool = True
    """False where nobody wants the total, which is then 0 and not exact."""
