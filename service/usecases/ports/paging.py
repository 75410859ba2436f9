"""Pages by keyset: a cursor names the last row seen, so that any depth costs the same."""

from __future__ import annotations

from dataclasses import dataclass

COUNT_LIMIT = 10_000
"""A list's `total` is counted up to here; beyond, `total_is_exact` is False."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """Ask for `limit` rows after `cursor`, sorted by a named key, descending where the name starts with '-'."""

    limit: int = 50
    cursor: str | None = None
    sort: str = "id"
