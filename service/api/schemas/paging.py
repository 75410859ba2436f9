"""Lists: how to ask for a page, and what one looks like."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from service.api.schemas.fields import Cursor, Search
from service.api.schemas.shape import Answer, Input
from service.usecases.ports.paging import PageRequest


class Paging(Input):
    """Ask for one page."""

    limit: int = Field(default=50, ge=1, le=100, description="Items on the page")
    cursor: Cursor | None = Field(
        default=None, description="`next` or `prev` of another page of the same list; left out: the first page"
    )
    format: Literal["page", "list"] = Field(
        default="page", description="`list`: the items alone, as a plain list; the Link header leads to the next page"
    )

    def request(self) -> PageRequest:
        """Say it in the use cases' words."""
        return PageRequest(limit=self.limit, cursor=self.cursor)


class SortedPaging(Paging):
    """Ask for one page of a list that can be sorted and searched."""

    sort: Annotated[str, StringConstraints(pattern=r"^-?[a-z_]{1,40}$")] = Field(
        default="id", description="Key to sort by; a leading `-` turns the order round"
    )
    q: Search | None = Field(default=None, description="Text to search for")

    def request(self) -> PageRequest:
        """Say it in the use cases' words."""
        return PageRequest(limit=self.limit, cursor=self.cursor, sort=self.sort)


class PageAnswer(Answer):
    """One page of a list; each list's own page adds its `items`."""

    next: str | None = Field(
        description="Cursor of the page after this one; null on the last page. A page of tickets searched for by their "
        "text, or by being overdue or not, looks at 10,000 tickets and ends there with what it found, be it nothing: "
        "`next` goes on"
    )
    prev: str | None = Field(description="Cursor of the page before this one; null on the first page")
    total: int = Field(
        description="Items in the whole list, counted up to 10,000; of tickets searched for, those among the 10,000 "
        "that the first page looks at"
    )
    total_is_exact: bool = Field(description="False where counting stopped before the end: there are at least so many")
