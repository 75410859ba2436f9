"""What changed in a list since it was shown: counted and told, and shown only when asked for.

An open list asks every now and then (`news` in admin/parts.html says how often), presenting what it shows: each row's
number with a digest of the row. So nobody's place, ticks or typed filters are swapped from under their hands.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Protocol

from flask import Response, render_template, request

from service.dashboard.listing import ROWS, Listing
from service.dashboard.rendering import html, is_unchanged, tag, unchanged

SHOWN = "shown"
DIGEST = 6


class Row(Protocol):
    """Anything with a number."""

    @property
    def id(self) -> int:
        """The number."""


def shown(rows: Sequence[Row]) -> str:
    """Write down what a list shows."""
    return ",".join(f"{row.id}.{_digest(row)}" for row in rows)


def etag(before: str, now: str) -> str:
    """Make the ETag of the news between two looks."""
    return tag("news", before, now)


def tell(listing: Listing, rows: Sequence[Row], one: str) -> Response:
    """Answer how many rows differ from those shown; 304 where the answer has been given."""
    before, now = request.args.get(SHOWN, ""), shown(rows)
    told = etag(before, now)
    if is_unchanged(told):
        return unchanged(told)
    changed = count(_read(before), _read(now))
    return html(render_template("admin/news.html", listing=listing, changed=changed, one=one, etag=told), etag=told)


def count(before: Mapping[str, str], now: Mapping[str, str]) -> int:
    """Count the rows that changed, came or went; one that came and pushed another off the page counts once."""
    came, went = now.keys() - before.keys(), before.keys() - now.keys()
    differing = sum(before[number] != now[number] for number in before.keys() & now.keys())
    return differing + max(len(came), len(went))


def _read(told: str) -> dict[str, str]:
    pairs = [each.partition(".")[::2] for each in told.split(",")[:ROWS] if each]
    return dict(pairs)


def _digest(row: Row) -> str:
    return hashlib.sha256(repr(row).encode("utf-8", "surrogatepass")).hexdigest()[:DIGEST]
