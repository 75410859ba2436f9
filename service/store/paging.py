"""Pages by keyset: rows in the order of (sort column, id), each page beginning after the last row of the one before.

A cursor is base64 of `[sort, value, id]` in JSON: it says where a row stood, and for which sort that holds. The page
lies after that row, or before it where a fourth item is `true`: the same walk in the opposite order, turned round.
"""

from __future__ import annotations

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    func,
    literal_column,
    or_,
    select,
    tuple_,
)

from service.domain.errors import InvalidInput
from service.domain.model import Page
from service.store.rows import MAX_BIGINT
from service.usecases.ports.paging import COUNT_LIMIT, PageRequest

T = TypeVar("T")

MAX_LIMIT = 1_000
"""Rows one page may ask for; the API allows fewer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """The sort of one request: a column, the id that breaks ties, and one direction for both."""

    sort: str
    column: ColumnElement[Any]
    id_column: ColumnElement[Any]
    descending: bool

    def turned(self) -> _Order:
        """Walk the other way; the cursors stay those of the same sort."""
        return replace(self, descending=not self.descending)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a row stood, and on which side of it the page lies."""

    value: Any
    row_id: int
    is_before: bool


def keyset_page(
    connection: Connection,
    *,
    select: Select[Any],
    columns: Mapping[str, ColumnElement[Any]],
    id_column: ColumnElement[Any],
    request: PageRequest,
    build: Callable[[Row[Any]], T],
) -> Page[T]:
    """Read one page of `select` (filtered, not ordered) and count the whole of it up to `COUNT_LIMIT`.

    `columns` maps the sort keys on offer to columns; they and `id_column` must be among the selected ones, and an
    expression among them needs its SQL type. NULLs are treated as greater than everything, as PostgreSQL sorts them.
    Raises `InvalidInput` for a limit, a sort or a cursor that is not ours.
    """
    if not 1 <= request.limit <= MAX_LIMIT:
        raise InvalidInput(("limit", f"must be between 1 and {MAX_LIMIT}"))
    order = _order(request.sort, columns, id_column)
    place = None if request.cursor is None else _decode(request.cursor, order)
    rows, more = _walk(connection, select, order, place, limit=request.limit)
    total = _total(connection, select, request, len(rows), is_whole=place is None and not more)
    is_before = place is not None and place.is_before
    return Page(
        items=tuple(build(row) for row in rows),
        next=_encode(order, rows[-1]) if rows and (more or is_before) else None,
        prev=_encode(order, rows[0], is_before=True) if rows and (more if is_before else place is not None) else None,
        total=min(total, COUNT_LIMIT),
        total_is_exact=request.is_counted and total <= COUNT_LIMIT,
    )


def _walk(
    connection: Connection, wanted: Select[Any], order: _Order, place: _Place | None, *, limit: int
) -> tuple[list[Row[Any]], bool]:
    """Read the rows beside a place (None: the first ones) in the list's order, and whether there are more that way."""
    way = order.turned() if place is not None and place.is_before else order
    if place is not None:
        wanted = wanted.where(_after(way, place.value, place.row_id))
    found = connection.execute(_sorted(wanted, way).limit(limit + 1)).all()
    rows = list(found[:limit])
    return (rows if way is order else rows[::-1]), len(found) > limit


def _order(sort: str, columns: Mapping[str, ColumnElement[Any]], id_column: ColumnElement[Any]) -> _Order:
    column = columns.get(sort.removeprefix("-"))
    if column is None:
        raise InvalidInput(("sort", f"must be one of {', '.join(columns)}; a leading '-' turns the order round"))
    if column.type.python_type is object:
        raise TypeError(f"the sort key {sort!r} needs an SQL type, for cursors to be checked against it")
    return _Order(sort=sort, column=column, id_column=id_column, descending=sort.startswith("-"))


def _sorted(wanted: Select[Any], order: _Order) -> Select[Any]:
    by = [order.id_column] if order.column is order.id_column else [order.column, order.id_column]
    return wanted.order_by(*(column.desc() if order.descending else column.asc() for column in by))


def _after(order: _Order, value: Any, last_id: int) -> ColumnElement[bool]:
    """Keep what comes after the row that had `value` and `last_id`: one row comparison wherever that is enough."""
    column, id_column = order.column, order.id_column
    bound_id = bindparam("page_after_id", last_id, type_=id_column.type)
    later_id = id_column < bound_id if order.descending else id_column > bound_id
    if column is id_column:
        return later_id
    if value is None:
        rest = and_(column.is_(None), later_id)
        return or_(column.is_not(None), rest) if order.descending else rest
    here, there = tuple_(column, id_column), tuple_(bindparam("page_after", value, type_=column.type), bound_id)
    if order.descending:
        return here < there
    return or_(here > there, column.is_(None)) if getattr(column, "nullable", True) else here > there


def _total(connection: Connection, wanted: Select[Any], request: PageRequest, rows: int, *, is_whole: bool) -> int:
    if not request.is_counted:
        return 0
    return rows if is_whole else _count(connection, wanted)


def _count(connection: Connection, wanted: Select[Any]) -> int:
    """Count rows, one beyond `COUNT_LIMIT` at the most, so that a large table costs no more than a small one."""
    some: Select[Any] = wanted.with_only_columns(literal_column("1"), maintain_column_froms=True).order_by(None)
    counted = select(func.count()).select_from(some.limit(COUNT_LIMIT + 1).subquery())
    return connection.execute(counted).scalar_one()


def _encode(order: _Order, row: Row[Any], *, is_before: bool = False) -> str:
    value = row._mapping[order.column]
    if isinstance(value, datetime):
        value = value.isoformat()
    place = [order.sort, value, row._mapping[order.id_column], *([True] if is_before else [])]
    text = json.dumps(place, separators=(",", ":"))
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(cursor: str, order: _Order) -> _Place:
    """Read a place from a cursor, trusting nothing in it."""
    refusal = InvalidInput(("cursor", "is not one this list gave out; leave it away to start at the beginning"))
    try:
        made_for, value, row_id, *before = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if made_for != order.sort:
            raise InvalidInput(("cursor", f"was made for another sort than {order.sort!r}"))
        typed = _typed(value, order.column.type.python_type)
        return _Place(value=typed, row_id=_typed_id(row_id), is_before=_is_before(before))
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
