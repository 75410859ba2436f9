"""Lists that can be searched, filtered, sorted and paged: everything about the list shown is in its address."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Any, TypeVar

from flask import Response, request, url_for
from werkzeug.datastructures import MultiDict

from service.dashboard.rendering import go, page
from service.domain.errors import InvalidInput, NotFound
from service.domain.model import Page
from service.usecases.ports.paging import PageRequest

Choice = TypeVar("Choice", bound=StrEnum)
Item = TypeVar("Item")

ROWS = 50
MAX_CURSOR = 2_000

EMPTY: Page[Any] = Page(items=(), next=None, total=0, total_is_exact=True)
"""Shown beside what is wrong with a filter."""


@dataclass(slots=True)
class Listing:
    """One list as it was asked for: `names` are its filters; what is wrong with one is collected in `problems`."""

    names: Sequence[str]
    sorts: Sequence[str]
    default_sort: str
    endpoint: str = field(default_factory=lambda: request.endpoint or "")
    problems: dict[str, str] = field(default_factory=dict)
    args: MultiDict[str, str] = field(default_factory=lambda: request.args)

    @property
    def given(self) -> dict[str, str]:
        """Tell what was typed into each filter."""
        return {name: self.args.get(name, "").strip() for name in self.names}

    @property
    def sort(self) -> str:
        """Name the sort key, with a leading `-` where the order is turned round."""
        asked = self.args.get("sort", "")
        return asked if asked.removeprefix("-") in self.sorts else self.default_sort

    @property
    def is_filtered(self) -> bool:
        """Say whether the list shows less than everything."""
        return any(self.given.values())

    @property
    def is_first(self) -> bool:
        """Say whether this is the list's first page."""
        return "cursor" not in self.args

    def request(self, *, is_counted: bool = True) -> PageRequest:
        """Ask for the page of the address."""
        cursor = self.args.get("cursor") or None
        return PageRequest(limit=ROWS, cursor=cursor, sort=self.sort, is_counted=is_counted)

    def here(self, endpoint: str | None = None, **more: str) -> str:
        """Address this very page of the list, or another view of it."""
        place = {name: text for name in ("sort", "cursor") if (text := self.args.get(name))}
        return self.address_of(endpoint or self.endpoint, **place, **more)

    def address(self, **changes: str | None) -> str:
        """Address this list, with other filters or another sort; its first page unless a cursor is given."""
        kept: dict[str, str | None] = {"sort": self.sort, **changes}
        kept["sort"] = None if kept["sort"] == self.default_sort else kept["sort"]
        return self.address_of(self.endpoint, **{name: value for name, value in kept.items() if value})

    def address_of(self, endpoint: str, **more: str) -> str:
        """Address another view of what this list shows."""
        kept = {name: [text for text in self.args.getlist(name) if text] for name in self.names}
        values: dict[str, Any] = {name: texts for name, texts in kept.items() if texts} | more
        return url_for(endpoint, **values)

    def sorted_by(self, key: str) -> str:
        """Address this list sorted by a key; asking again turns the order round."""
        return self.address(sort=f"-{key}" if self.sort == key else key)

    def order_of(self, key: str) -> str | None:
        """Say how the list is sorted by a key, as `aria-sort` does; None where it is not."""
        if self.sort.removeprefix("-") != key:
            return None
        return "descending" if self.sort.startswith("-") else "ascending"

    def chosen(self, name: str, kind: type[Choice]) -> tuple[Choice, ...]:
        """Read the words chosen for a filter, given any number of times; others are left out."""
        asked = set(self.args.getlist(name))
        return tuple(word for word in kind if word.value in asked)

    def chosen_words(self, name: str) -> set[str]:
        """Tell what is ticked of a filter."""
        return set(self.args.getlist(name))

    def one(self, name: str, kind: type[Choice]) -> Choice | None:
        """Read the word chosen for a filter, None for any."""
        return next(iter(self.chosen(name, kind)), None)

    def flag(self, name: str) -> bool | None:
        """Read a filter that is yes, no or either."""
        return {"yes": True, "no": False}.get(self.given[name])

    def day(self, name: str, *, after: bool = False) -> datetime | None:
        """Read a day, in UTC: its beginning, or its end."""
        if not self.given[name]:
            return None
        try:
            day = date.fromisoformat(self.given[name]) + timedelta(days=1 if after else 0)
        except (ValueError, OverflowError):
            self.problems[name] = "must be a day such as 2026-01-31"
            return None
        return datetime.combine(day, time(), UTC)

    def note(self, error: InvalidInput | NotFound, name: str = "q") -> None:
        """Collect what a use case found wrong."""
        if isinstance(error, InvalidInput):
            self.problems |= {each["field"]: each["message"] for each in error.facts["errors"]}
        else:
            self.problems[name] = error.detail[0].lower() + error.detail[1:]


def read(listing: Listing, find: Callable[[PageRequest], Page[Item]], *, is_counted: bool = True) -> Page[Item]:
    """Find the page of a list; nothing where a filter makes no sense, which is noted in the listing."""
    if listing.problems:
        return EMPTY
    try:
        return find(listing.request(is_counted=is_counted))
    except InvalidInput as error:
        listing.note(error)
        return EMPTY


def show(template: str, listing: Listing, found: Page[Item], **values: Any) -> Response:
    """Answer with a page of a list. One that nothing comes before is the first, and shown in full as such."""
    leads_on = not found.items and found.next is not None
    if found.prev is None and not (listing.is_first or listing.problems or leads_on):
        return go(listing.address())
    status = HTTPStatus.BAD_REQUEST if listing.problems else HTTPStatus.OK
    return page(template, status=status, listing=listing, found=found, **values)
