"""Draw the tables as a Mermaid diagram: `python -m scripts.render_erd > docs/erd.md`."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Table
from sqlalchemy.dialects import postgresql

from service.store.tables import metadata

SHORT = {"timestamp with time zone": "timestamptz", "bigint[]": "bigint_array", "integer": "int"}
"""Mermaid takes one word for a type."""

INTRODUCTION = """\
# Tables

Drawn from `service/store/tables.py` by `.venv/bin/python -m scripts.render_erd > docs/erd.md`; a test keeps it true.

- A ticket's `id` is its creation order. `epoch` rises with every change of hands.
- An agent is a user: `agents.id` is `users.id`. `agents.held` and `agents.is_active` are kept by triggers.
- `ticket_events` refers to tickets, agents and actors without foreign keys: it is an append-only log, written fifteen
  lines at a time on the hot path, and nothing it names is ever removed.

What PostgreSQL refuses by itself is at the end of `service/store/migrations/versions/0001_initial.sql`.
"""


def render() -> str:
    """Render the whole page."""
    lines = [INTRODUCTION, "```mermaid", "erDiagram"]
    for table in metadata.sorted_tables:
        lines += [f"    {table.name} {{", *(f"        {_column(column)}" for column in table.columns), "    }"]
    for table in metadata.sorted_tables:
        lines += [_relation(table, key) for key in sorted(table.foreign_keys, key=lambda key: key.parent.name)]
    return "\n".join([*lines, "```", ""])


def _column(column: Column[object]) -> str:
    marks = [mark for mark, holds in (("PK", column.primary_key), ("FK", bool(column.foreign_keys))) if holds]
    kind = column.type.compile(postgresql.dialect()).lower()  # type: ignore[no-untyped-call]
    described = f"{SHORT.get(kind, kind)} {column.name} {', '.join(marks)}".rstrip()
    return described + (' "may be null"' if column.nullable else "")


def _relation(table: Table, key: ForeignKey) -> str:
    many = "|o" if key.parent.primary_key else "}o"
    one = "o|" if key.parent.nullable else "||"
    return f"    {table.name} {many}--{one} {key.column.table.name} : {key.parent.name}"


if __name__ == "__main__":
    print(render(), end="")
