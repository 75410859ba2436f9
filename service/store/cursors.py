"""Cursors: base64 of `[sort, value, id]` in JSON. They say where a row stood, and for which sort that holds.

The page lies after that row, or before it where a fourth item is `true`: the same walk in the opposite order, turned
round.
"""

from __future__ import annotations

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row

from service.domain.errors import InvalidInput
from service.store.rows import MAX_BIGINT


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The sort of one request: a column, the id that breaks ties, and one direction for both."""

    sort: str
    column: ColumnElement[Any]
    id_column: ColumnElement[Any]
    descending: bool

    def turned(self) -> Order:
        """Walk the other way; the cursors stay those of the same sort."""
        return replace(self, descending=not self.descending)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a row stood, and on which side of it the page lies."""

    value: Any
    row_id: int
    is_before: bool


def order_of(sort: str, columns: Mapping[str, ColumnElement[Any]], id_column: ColumnElement[Any]) -> Order:
    """Read the sort asked for. Raises `InvalidInput` for one that is not on offer."""
    column = columns.get(sort.removeprefix("-"))
    if column is None:
        raise InvalidInput(("sort", f"must be one of {', '.join(columns)}; a leading '-' turns the order round"))
    if column.type.python_type is object:
        raise TypeError(f"the sort key {sort!r} needs an SQL type, for cursors to be checked against it")
    return Order(sort=sort, column=column, id_column=id_column, descending=sort.startswith("-"))


def cursor_of(order: Order, row: Row[Any], *, is_before: bool = False) -> str:
    """Write where a row stands."""
    value, row_id = (
        row._mapping[column] if column in row._mapping else row._mapping[column.name]
        for column in (order.column, order.id_column)
    )
    return cursor_at(order, Place(value=value, row_id=row_id, is_before=is_before))


def cursor_at(order: Order, place: Place) -> str:
    """Write a place."""
    value = place.value.isoformat() if isinstance(place.value, datetime) else place.value
    parts = [order.sort, value, place.row_id, *([True] if place.is_before else [])]
    text = json.dumps(parts, separators=(",", ":"))
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def place_of(cursor: str, order: Order) -> Place:
    """Read a place from a cursor, trusting nothing in it. Raises `InvalidInput`."""
    refusal = InvalidInput(("cursor", "is not one this list gave out; leave it away to start at the beginning"))
    try:
        made_for, value, row_id, *before = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if made_for != order.sort:
            raise InvalidInput(("cursor", f"was made for another sort than {order.sort!r}"))
        typed = _typed(value, order.column.type.python_type)
        return Place(value=typed, row_id=_typed_id(row_id), is_before=_is_before(before))
    except (ValueError, TypeError, binascii.Error, RecursionError) as exc:
        raise refusal from exc


def _typed(value: Any, wanted: type[object]) -> Any:
    """Return the value as the column's Python type. Raises `ValueError` or `TypeError` where it is another."""
    if value is None:
        return None
    if wanted is datetime:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError("a moment without a time zone")
        return moment
    if type(value) is not wanted:
        raise TypeError(f"{type(value).__name__} instead of {wanted.__name__}")
    if isinstance(value, int) and abs(value) > MAX_BIGINT:
        raise ValueError("beyond a 64-bit integer")
    if isinstance(value, str) and b"\0" in value.encode():  # encode() refuses surrogates, which no database takes
        raise ValueError("NUL in a text")
    return value


def _is_before(side: list[Any]) -> bool:
    if side and (len(side) > 1 or side[0] is not True):
        raise ValueError("neither after the row nor before it")
    return bool(side)


def _typed_id(value: Any) -> int:
    if type(value) is not int or not -MAX_BIGINT <= value <= MAX_BIGINT:
        raise TypeError("an id that is none")
    return value
