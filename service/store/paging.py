"""Pages by keyset: rows in the order of (sort column, id), each page beginning after the last row of the one before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
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
    union_all,
)
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from service.domain.errors import InvalidInput
from service.domain.model import Page
from service.store.cursors import Order, Place, cursor_at, cursor_of, order_of, place_of
from service.store.find import Find, Part
from service.usecases.ports.paging import COUNT_LIMIT, PageRequest

T = TypeVar("T")

MAX_LIMIT = 1_000
"""Rows one page may ask for; the API allows fewer."""

LOOK = 10_000
"""Rows that one page of a search looks at: some 15 ms of PostgreSQL's time."""

FEW = 30_000
"""Rows that are sooner found and sorted, in some 20 ms, than come by in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """The rows a list is made of, and how they are come by: `among` which, in what `parts`, how many looked at."""

    wanted: Select[Any]
    among: Select[Any] | None
    parts: Sequence[Part]
    look: int
    found_first: bool = False

    def in_order(self, rows: Select[Any], order: Order, limit: int, *, offset: int = 0) -> Select[Any]:
        """Take some of the rows, in order: as the planner likes, all of them found first, or merged from the parts."""
        if self.found_first:
            return _found_and_sorted(rows, order).limit(limit).offset(offset)
        if not self.parts:
            return _sorted(rows, order).limit(limit).offset(offset)
        each = (
            _sorted(rows.where(part.condition), order, part.leading).limit(limit + offset).subquery()
            for part in self.parts
        )
        merged = union_all(*(select(some) for some in each)).subquery("merged")
        return _sorted(select(merged), _outside(order, merged.c)).limit(limit).offset(offset)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Walked:
    """Rows in the list's order, whether there are more that way, and where looking ended before the end, if it did."""

    rows: list[Row[Any]]
    more: bool
    edge: Place | None


def keyset_page(
    connection: Connection,
    *,
    select: Select[Any],
    columns: Mapping[str, ColumnElement[Any]],
    id_column: ColumnElement[Any],
    request: PageRequest,
    build: Callable[[Row[Any]], T],
    among: Select[Any] | None = None,
    look: int | None = None,
    find: Find = Find.IN_ORDER,
    parts: Sequence[Part] = (),
) -> Page[T]:
    """Read one page of `select` (filtered, not ordered) and count the whole of it up to `COUNT_LIMIT`.

    Where no index finds what is wanted, `among` selects the rows to look through, by conditions that one does find, and
    in none of whose sort columns is a NULL: a page then looks at `look` of them (`LOOK`) and no more. It ends there
    with what it found, be it nothing, and its `next` goes on from there; what is counted is at least so much.

    Where no one index has the rows in the order asked for, but one for each of several `parts` that do not overlap, the
    page is merged from those. What is in none of them is left out.

    `columns` maps the sort keys on offer to columns; they and `id_column` must be among the selected ones, and an
    expression among them needs its SQL type. NULLs are treated as greater than everything, as PostgreSQL sorts them.
    Raises `InvalidInput` for a limit, a sort or a cursor that is not ours.
    """
    if not 1 <= request.limit <= MAX_LIMIT:
        raise InvalidInput(("limit", f"must be between 1 and {MAX_LIMIT}"))
    order = order_of(request.sort, columns, id_column)
    place = None if request.cursor is None else place_of(request.cursor, order)
    rows = _Rows(wanted=select, among=among, parts=parts, look=look or LOOK, found_first=find is Find.FIRST)
    if find is Find.FIRST_IF_FEW:
        few = _count(connection, _any(select if among is None else among, FEW + 1)) <= FEW
        rows = replace(rows, found_first=few)
    walked = _walk(connection, rows, order, place, limit=request.limit)
    total, is_all = 0, False
    if request.is_counted:
        is_told = place is None and not walked.more
        total, is_all = (len(walked.rows), walked.edge is None) if is_told else _counted(connection, rows, order)
    return Page(
        items=tuple(build(row) for row in walked.rows),
        next=_next(order, place, walked),
        prev=_prev(order, place, walked),
        total=min(max(total, len(walked.rows)), COUNT_LIMIT) if request.is_counted else 0,
        total_is_exact=is_all and total <= COUNT_LIMIT,
    )


def _walk(connection: Connection, rows: _Rows, order: Order, place: Place | None, *, limit: int) -> _Walked:
    """Read the rows beside a place (None: the first ones), as far as rows are looked at."""
    way = order.turned() if place is not None and place.is_before else order
    edge = _edge(connection, rows, way, place)
    wanted = _up_to(rows.wanted, way, place, edge)
    if place is not None:
        wanted = wanted.where(_after(way, place.value, place.row_id))
    found = connection.execute(rows.in_order(wanted, way, limit + 1)).all()
    page = list(found[:limit])
    return _Walked(rows=page if way is order else page[::-1], more=len(found) > limit, edge=edge)


def _next(order: Order, place: Place | None, walked: _Walked) -> str | None:
    is_before = place is not None and place.is_before
    if walked.rows and (walked.more or is_before):
        return cursor_of(order, walked.rows[-1])
    return None if walked.edge is None else cursor_at(order, walked.edge)


def _prev(order: Order, place: Place | None, walked: _Walked) -> str | None:
    is_before = place is not None and place.is_before
    if walked.rows and (walked.more if is_before else place is not None):
        return cursor_of(order, walked.rows[0], is_before=True)
    is_beside = place is not None and walked.edge is not None
    return cursor_at(order, replace(walked.edge, is_before=True)) if is_beside and walked.edge else None


def _edge(connection: Connection, rows: _Rows, way: Order, place: Place | None) -> Place | None:
    """Say where the last row to look at beside a place stands; None where the end comes before that."""
    if rows.among is None:
        return None
    keys = _keys(rows.among, way)
    if place is not None:
        keys = keys.where(_after(way, place.value, place.row_id))
    found = connection.execute(rows.in_order(keys, way, 1, offset=rows.look - 1)).one_or_none()
    return None if found is None else Place(value=found[0], row_id=found[-1], is_before=False)


def _up_to(wanted: Select[Any], way: Order, place: Place | None, edge: Place | None) -> Select[Any]:
    """Bound the rows by the edge, and once more by the sort column alone: only that tells the planner how few they are.

    (It takes a comparison of rows to leave a third of them, and so reads more than is to be looked at.)
    """
    if edge is None:
        return wanted
    column, id_column = way.column, way.id_column
    bound_id = bindparam("page_edge_id", edge.row_id, type_=id_column.type)
    if column is id_column:
        return wanted.where(id_column >= bound_id if way.descending else id_column <= bound_id)
    last = bindparam("page_edge", edge.value, type_=column.type)
    here, there = tuple_(column, id_column), tuple_(last, bound_id)
    wanted = wanted.where(here >= there if way.descending else here <= there)
    wanted = wanted.where(column >= last if way.descending else column <= last)
    if place is None:
        return wanted
    first = bindparam("page_begin", place.value, type_=column.type)
    return wanted.where(column <= first if way.descending else column >= first)


def _keys(rows: Select[Any], order: Order) -> Select[Any]:
    """Select only what the rows are sorted by."""
    return rows.with_only_columns(*dict.fromkeys((order.column, order.id_column)), maintain_column_froms=True)


def _sorted(wanted: Select[Any], order: Order, leading: ColumnElement[Any] | None = None) -> Select[Any]:
    by = list(dict.fromkeys(column for column in (leading, order.column, order.id_column) if column is not None))
    return wanted.order_by(*(column.desc() if order.descending else column.asc() for column in by))


def _found_and_sorted(wanted: Select[Any], order: Order) -> Select[Any]:
    """Sort what an inner query has found; OFFSET keeps the planner from turning the two into one."""
    found = wanted.offset(0).subquery("found")
    return _sorted(select(found), _outside(order, found.c))


def _outside(order: Order, columns: ReadOnlyColumnCollection[str, Any]) -> Order:
    """Say the order of a subquery's rows in its own columns."""
    id_column = columns[order.id_column.name]
    is_by_id = order.column is order.id_column
    return replace(order, column=id_column if is_by_id else columns[order.column.name], id_column=id_column)


def _after(order: Order, value: Any, last_id: int) -> ColumnElement[bool]:
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


def _counted(connection: Connection, rows: _Rows, order: Order) -> tuple[int, bool]:
    """Count what there is among the rows that a first page looks at, and say whether that is all of them.

    One beyond `COUNT_LIMIT` at the most, so that a large table costs no more than a small one.
    """
    edge = _edge(connection, rows, order, None)
    wanted = _up_to(rows.wanted, order, None, edge)
    limit = COUNT_LIMIT + 1
    # In order, as that keeps the planner to the indexes of the parts.
    some = rows.in_order(_keys(wanted, order), order, limit) if rows.parts else _any(wanted, limit)
    return _count(connection, some), edge is None


def _any(wanted: Select[Any], limit: int) -> Select[Any]:
    return wanted.with_only_columns(literal_column("1"), maintain_column_froms=True).order_by(None).limit(limit)


def _count(connection: Connection, some: Select[Any]) -> int:
    return connection.execute(select(func.count()).select_from(some.subquery())).scalar_one()
