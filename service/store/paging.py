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
from service.store.find import Find
from service.store.rows import MAX_BIGINT
from service.usecases.ports.paging import COUNT_LIMIT, PageRequest

T = TypeVar("T")

MAX_LIMIT = 1_000
"""Rows one page may ask for; the API allows fewer."""


LOOK = 10_000
"""Rows that one page of a search looks at: some 15 ms of PostgreSQL's time."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Walked:
    """Rows in the list's order, whether there are more that way, and where looking ended before the end, if it did."""

    rows: list[Row[Any]]
    more: bool
    edge: _Place | None


def keyset_page(
    connection: Connection,
    *,
    select: Select[Any],
    columns: Mapping[str, ColumnElement[Any]],
    id_column: ColumnElement[Any],
    request: PageRequest,
    build: Callable[[Row[Any]], T],
    among: Select[Any] | None = None,
    find: Find = Find.IN_ORDER,
) -> Page[T]:
    """Read one page of `select` (filtered, not ordered) and count the whole of it up to `COUNT_LIMIT`.

    Where no index finds what is wanted, `among` selects the rows to look through, by conditions that one does find, and
    in none of whose sort columns is a NULL: a page then looks at `LOOK` of them and no more. It ends there with what it
    found, be it nothing, and its `next` goes on from there; what is counted is at least so much.

    `columns` maps the sort keys on offer to columns; they and `id_column` must be among the selected ones, and an
    expression among them needs its SQL type. NULLs are treated as greater than everything, as PostgreSQL sorts them.
    Raises `InvalidInput` for a limit, a sort or a cursor that is not ours.
    """
    if not 1 <= request.limit <= MAX_LIMIT:
        raise InvalidInput(("limit", f"must be between 1 and {MAX_LIMIT}"))
    order = _order(request.sort, columns, id_column)
    place = None if request.cursor is None else _decode(request.cursor, order)
    counted = _counted(connection, select, order, among) if find is Find.FIRST_IF_FEW else None
    found_first = find is Find.FIRST or (counted is not None and counted[0] <= COUNT_LIMIT)
    sort = _found_and_sorted if found_first else _sorted
    walked = _walk(connection, select, order, place, limit=request.limit, among=among, sort=sort)
    rows = walked.rows
    is_whole = place is None and not walked.more and walked.edge is None
    if counted is None:
        counted = (len(rows), True) if is_whole else (0, False)
        if request.is_counted and not is_whole:
            counted = _counted(connection, select, order, among)
    total, is_all = counted
    return Page(
        items=tuple(build(row) for row in rows),
        next=_next(order, place, walked),
        prev=_prev(order, place, walked),
        total=min(max(total, len(rows)), COUNT_LIMIT) if request.is_counted else 0,
        total_is_exact=request.is_counted and is_all and total <= COUNT_LIMIT,
    )


def _walk(
    connection: Connection,
    wanted: Select[Any],
    order: _Order,
    place: _Place | None,
    *,
    limit: int,
    among: Select[Any] | None,
    sort: Callable[[Select[Any], _Order], Select[Any]],
) -> _Walked:
    """Read the rows beside a place (None: the first ones), as far as rows are looked at."""
    way = order.turned() if place is not None and place.is_before else order
    edge = None if among is None else _edge(connection, among, way, place)
    wanted = _up_to(wanted, way, edge)
    if place is not None:
        wanted = wanted.where(_after(way, place.value, place.row_id))
    found = connection.execute(sort(wanted, way).limit(limit + 1)).all()
    rows = list(found[:limit])
    return _Walked(rows=rows if way is order else rows[::-1], more=len(found) > limit, edge=edge)


def _next(order: _Order, place: _Place | None, walked: _Walked) -> str | None:
    is_before = place is not None and place.is_before
    if walked.rows and (walked.more or is_before):
        return _encode(order, walked.rows[-1])
    return None if walked.edge is None else _cursor(order, walked.edge)


def _prev(order: _Order, place: _Place | None, walked: _Walked) -> str | None:
    is_before = place is not None and place.is_before
    if walked.rows and (walked.more if is_before else place is not None):
        return _encode(order, walked.rows[0], is_before=True)
    is_beside = place is not None and walked.edge is not None
    return _cursor(order, replace(walked.edge, is_before=True)) if is_beside and walked.edge else None


def _edge(connection: Connection, among: Select[Any], way: _Order, place: _Place | None) -> _Place | None:
    """Say where the last row to look at beside a place stands; None where the end comes before that."""
    rows: Select[Any] = among.with_only_columns(way.column, way.id_column, maintain_column_froms=True)
    if place is not None:
        rows = rows.where(_after(way, place.value, place.row_id))
    found = connection.execute(_sorted(rows, way).offset(LOOK - 1).limit(1)).one_or_none()
    return None if found is None else _Place(value=found[0], row_id=found[-1], is_before=False)


def _up_to(wanted: Select[Any], way: _Order, edge: _Place | None) -> Select[Any]:
    if edge is None:
        return wanted
    column, id_column = way.column, way.id_column
    bound_id = bindparam("page_edge_id", edge.row_id, type_=id_column.type)
    if column is id_column:
        return wanted.where(id_column >= bound_id if way.descending else id_column <= bound_id)
    here, there = tuple_(column, id_column), tuple_(bindparam("page_edge", edge.value, type_=column.type), bound_id)
    return wanted.where(here >= there if way.descending else here <= there)


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


def _found_and_sorted(wanted: Select[Any], order: _Order) -> Select[Any]:
    """Sort what an inner query has found; OFFSET keeps the planner from turning the two into one."""
    found = wanted.offset(0).subquery("found")
    inner = replace(order, column=found.c[order.column.name], id_column=found.c[order.id_column.name])
    if order.column is order.id_column:
        inner = replace(inner, column=inner.id_column)
    return _sorted(select(found), inner)


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


def _counted(connection: Connection, wanted: Select[Any], order: _Order, among: Select[Any] | None) -> tuple[int, bool]:
    """Count what there is among the rows that a first page looks at, and say whether that is all of them."""
    edge = None if among is None else _edge(connection, among, order, None)
    return _count(connection, _up_to(wanted, order, edge)), edge is None


def _count(connection: Connection, wanted: Select[Any]) -> int:
    """Count rows, one beyond `COUNT_LIMIT` at the most, so that a large table costs no more than a small one."""
    some: Select[Any] = wanted.with_only_columns(literal_column("1"), maintain_column_froms=True).order_by(None)
    counted = select(func.count()).select_from(some.limit(COUNT_LIMIT + 1).subquery())
    return connection.execute(counted).scalar_one()


def _encode(order: _Order, row: Row[Any], *, is_before: bool = False) -> str:
    value, row_id = (
        row._mapping[column] if column in row._mapping else row._mapping[column.name]
        for column in (order.column, order.id_column)
    )
    return _cursor(order, _Place(value=value, row_id=row_id, is_before=is_before))


def _cursor(order: _Order, place: _Place) -> str:
    value = place.value.isoformat() if isinstance(place.value, datetime) else place.value
    parts = [order.sort, value, place.row_id, *([True] if place.is_before else [])]
    text = json.dumps(parts, separators=(",", ":"))
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
