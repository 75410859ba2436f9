"""Pages by keyset on real PostgreSQL: every row once, in order, whatever the sort."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    DateTime,
    Engine,
    Integer,
    MetaData,
    Row,
    Table,
    Text,
    func,
    insert,
    select,
    text,
)

from service.domain.errors import InvalidInput
from service.domain.model import Page
from service.store import paging
from service.store.paging import MAX_LIMIT, keyset_page
from service.usecases.ports.paging import PageRequest

EPOCH = datetime(2024, 1, 1, tzinfo=UTC)

things = Table(
    "things",
    MetaData(),
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("number", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("note", Text),
    Column("at", DateTime(timezone=True)),
    Column("flag", Boolean, nullable=False),
    prefixes=["TEMPORARY"],
    postgresql_on_commit="DROP",
)
NAME_KEY = func.lower(things.c.name, type_=Text()).label("name_key")
COLUMNS = {
    "id": things.c.id,
    "number": things.c.number,
    "name": NAME_KEY,
    "note": things.c.note,
    "at": things.c.at,
    "flag": things.c.flag,
}
ALL = select(things, NAME_KEY)

rows_of_things = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.integers(-5, 2**63 - 1) | st.integers(1, 30),
            "number": st.integers(-2, 2),
            "name": st.sampled_from(["", "a", "A", "b", "ä", "日本", "%_\\'", "B c"]),
            "note": st.none() | st.sampled_from(["", "x", "y"]),
            "at": st.none() | st.integers(0, 3).map(lambda us: EPOCH + timedelta(microseconds=us)),
            "flag": st.booleans(),
        }
    ),
    max_size=25,
    unique_by=lambda row: row["id"],
)


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        yield connection


def page(connection: Connection, request: PageRequest) -> Page[Any]:
    return keyset_page(
        connection, select=ALL, columns=COLUMNS, id_column=things.c.id, request=request, build=lambda row: row.id
    )


def fill(connection: Connection, rows: list[dict[str, Any]]) -> None:
    connection.rollback()
    things.create(connection)
    if rows:
        connection.execute(insert(things), rows)


def some(count: int) -> list[dict[str, Any]]:
    return [
        {"id": n, "number": n % 3, "name": f"n{n % 2}", "note": None, "at": EPOCH, "flag": True}
        for n in range(1, count + 1)
    ]


@given(
    rows=rows_of_things,
    sort=st.sampled_from(["id", "number", "name", "note", "at", "flag"]),
    descending=st.booleans(),
    limit=st.integers(1, 10),
)
@hypothesis_settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_walking_all_pages_yields_every_row_once_in_order(
    connection: Connection, rows: list[dict[str, Any]], sort: str, descending: bool, limit: int
) -> None:
    fill(connection, rows)
    direction = "DESC" if descending else "ASC"
    key = "lower(name)" if sort == "name" else sort
    query = text(f"SELECT id FROM things ORDER BY {key} {direction}, id {direction}")
    expected = list(connection.execute(query).scalars())
    pages: list[Page[Any]] = []
    cursor: str | None = None
    while True:
        got = page(connection, PageRequest(limit=limit, cursor=cursor, sort=f"-{sort}" if descending else sort))
        assert got.total == len(rows)
        assert got.total_is_exact
        pages.append(got)
        cursor = got.next
        if cursor is None:
            break
        assert len(got.items) == limit
    assert [each for got in pages for each in got.items] == expected
    assert pages[0].prev is None
    for before, here in pairwise(pages):
        back = page(connection, PageRequest(limit=limit, cursor=here.prev, sort=f"-{sort}" if descending else sort))
        assert (back.items, back.next, back.prev is None) == (before.items, before.next, before is pages[0])


def test_rows_that_come_and_go_between_pages_shift_nothing(connection: Connection) -> None:
    fill(connection, some(6))
    first = page(connection, PageRequest(limit=3))
    connection.execute(things.delete().where(things.c.id.in_([2, 3])))
    connection.execute(insert(things), [{"id": 0, "number": 0, "name": "", "flag": False, "note": None, "at": None}])
    assert page(connection, PageRequest(limit=3, cursor=first.next)).items == (4, 5, 6)


def test_the_page_before_an_end_that_is_gone_is_empty(connection: Connection) -> None:
    fill(connection, some(4))
    second = page(connection, PageRequest(limit=2, cursor=page(connection, PageRequest(limit=2)).next))
    connection.execute(things.delete().where(things.c.id.in_([1, 2])))
    back = page(connection, PageRequest(limit=2, cursor=second.prev))
    assert (back.items, back.next, back.prev) == ((), None, None)


def test_the_total_stops_at_the_limit_and_says_so(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "COUNT_LIMIT", 5)
    fill(connection, some(5))
    whole = page(connection, PageRequest(limit=2))
    assert (whole.total, whole.total_is_exact) == (5, True)
    connection.execute(insert(things), [{**some(1)[0], "id": 6}])
    more = page(connection, PageRequest(limit=2))
    assert (more.total, more.total_is_exact) == (5, False)
    everything = page(connection, PageRequest(limit=10))
    assert (everything.total, everything.total_is_exact) == (5, False)


def test_an_unknown_sort_names_the_known_ones(connection: Connection) -> None:
    with pytest.raises(InvalidInput, match="sort: must be one of id, number, name, note, at, flag"):
        page(connection, PageRequest(sort="password_hash"))


@pytest.mark.parametrize("limit", [0, -1, MAX_LIMIT + 1])
def test_a_limit_out_of_bounds_is_refused(connection: Connection, limit: int) -> None:
    with pytest.raises(InvalidInput, match="limit: must be between 1 and 1000"):
        page(connection, PageRequest(limit=limit))


def test_a_cursor_of_another_sort_is_refused(connection: Connection) -> None:
    fill(connection, some(5))
    cursor = page(connection, PageRequest(limit=2, sort="number")).next
    for sort in ("id", "-number"):
        with pytest.raises(InvalidInput, match="cursor: was made for another sort"):
            page(connection, PageRequest(limit=2, sort=sort, cursor=cursor))


def forge(*values: object) -> str:
    return urlsafe_b64encode(json.dumps(values).encode()).decode()


@pytest.mark.parametrize(
    ("sort", "cursor"),
    [
        ("id", ""),
        ("id", "not a cursor"),
        ("id", "ünicode"),
        ("id", "%00"),
        ("id", forge()),
        ("id", forge("id", 1)),
        ("id", forge("id", 1, 2, 3)),
        ("id", forge("id", 1, 2, 1)),
        ("id", forge("id", 1, 2, False)),
        ("id", forge("id", 1, 2, True, True)),
        ("id", urlsafe_b64encode(b"7").decode()),
        ("id", urlsafe_b64encode(b"[" * 100_000).decode()),
        ("id", urlsafe_b64encode(b"\xff\xfe").decode()),
        ("id", forge("id", 1, "1; DROP TABLE users")),
        ("id", forge("id", 1, None)),
        ("id", forge("id", 1, True)),
        ("id", forge("id", 1, 2**63)),
        ("number", forge("number", "1", 1)),
        ("number", forge("number", True, 1)),
        ("number", forge("number", 1.5, 1)),
        ("number", forge("number", 2**70, 1)),
        ("name", forge("name", 5, 1)),
        ("name", forge("name", "a\0b", 1)),
        ("name", forge("name", "\ud800", 1)),
        ("name", forge("name", ["a"], 1)),
        ("at", forge("at", "yesterday", 1)),
        ("at", forge("at", "2024-01-01T00:00:00", 1)),
        ("at", forge("at", 5, 1)),
        ("flag", forge("flag", 1, 1)),
    ],
)
def test_a_cursor_that_is_not_ours_is_refused(connection: Connection, sort: str, cursor: str) -> None:
    fill(connection, some(3))
    with pytest.raises(InvalidInput, match="cursor: is not one this list gave out"):
        page(connection, PageRequest(sort=sort, cursor=cursor))


def test_rows_are_built_by_name(connection: Connection) -> None:
    fill(connection, some(1))

    def build(row: Row[Any]) -> str:
        return f"{row.id}:{row.name}"

    wanted = PageRequest(sort="name")
    got = keyset_page(connection, select=ALL, columns=COLUMNS, id_column=things.c.id, request=wanted, build=build)
    assert got == Page(items=("1:n1",), next=None, total=1, total_is_exact=True)


@pytest.mark.parametrize("before", [(), (True,)])
@pytest.mark.parametrize(("sort", "index"), [("id", "things_pkey"), ("number", "n"), ("-number", "n")])
def test_a_page_far_in_is_found_by_the_index(
    connection: Connection, sort: str, index: str, before: tuple[bool, ...]
) -> None:
    fill(connection, some(5_000))
    connection.execute(text("CREATE INDEX n ON things (number, id); ANALYZE things"))
    seen: list[str] = []
    execute: Callable[..., Any] = connection.execute

    def explained(statement: Any, *args: Any) -> Any:
        compiled = statement.compile(connection, compile_kwargs={"literal_binds": True})
        seen.extend(execute(text(f"EXPLAIN {compiled}")).scalars())
        return execute(statement, *args)

    cursor = forge(sort, 2_500 if sort == "id" else 1, 2_500, *before)
    connection.execute = explained  # type: ignore[method-assign]
    page(connection, PageRequest(limit=5, sort=sort, cursor=cursor))
    plan = "\n".join(seen[: next(n for n, line in enumerate(seen) if "Aggregate" in line)])
    assert f"using {index}" in plan
    assert "Index Cond" in plan
    assert "Sort" not in plan
