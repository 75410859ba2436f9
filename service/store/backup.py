"""All tables copied out and in by COPY: see `service.usecases.ports.backup` for what each method promises.

Rows alone are copied; the schema comes from our own migrations. So a backup fits every server that the service runs on,
and needs no pg_dump as new as the server.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Any

from psycopg2 import sql
from sqlalchemy import Connection, Engine, text

from service.domain.errors import Conflict
from service.store import backup_transactions, migrate
from service.store.engine import statement, transaction
from service.usecases.ports.backup import Loading, Snapshot, TableShape

REVISIONS = "alembic_version"

PATIENCE = "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0"

COLUMNS = text("""
SELECT c.relname AS name, array_agg(a.attname ORDER BY a.attnum) AS columns
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND c.relnamespace = CAST(current_schema() AS regnamespace) AND c.relname <> :revisions
GROUP BY c.relname ORDER BY c.relname
""")
REFERENCES = text("""
SELECT c.relname AS child, p.relname AS parent
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class p ON p.oid = k.confrelid
WHERE k.contype = 'f' AND k.conrelid <> k.confrelid
""")
SEQUENCES = text("""
SELECT sequencename AS name, last_value FROM pg_sequences
WHERE schemaname = current_schema() AND last_value IS NOT NULL
""")
ROWS = text("SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM (SELECT FROM tickets LIMIT 1) AS t)")
GUARDS = text("""
SELECT c.relname AS table_name, t.tgname AS name, t.tgenabled AS enabled
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE NOT t.tgisinternal AND c.relnamespace = CAST(current_schema() AS regnamespace)
ORDER BY c.relname, t.tgname
""")
GUARD_STATES = {"O": "ENABLE", "A": "ENABLE ALWAYS", "R": "ENABLE REPLICA", "D": "DISABLE"}


class PostgresSnapshot:
    """Read in one REPEATABLE READ transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def revision(self) -> str | None:
        """Read alembic's table."""
        return migrate.current(self._connection)

    def tables(self) -> Sequence[TableShape]:
        """Read the catalogue."""
        return _tables(self._connection)

    def sequences(self) -> Mapping[str, int]:
        """Read after the snapshot began: they may be ahead of the rows, never behind."""
        return {row.name: row.last_value for row in self._connection.execute(SEQUENCES)}

    def copy_out(self, table: TableShape, into: IO[bytes]) -> int:
        """COPY TO."""
        return _copy(self._connection, "COPY {table} ({columns}) TO STDOUT", table, into)


class PostgresLoading:
    """Write in one transaction, in which the guards are off: what they kept true is in the rows already."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def copy_in(self, table: TableShape, source: IO[bytes]) -> int:
        """COPY FROM."""
        return _copy(self._connection, "COPY {table} ({columns}) FROM STDIN", table, source)

    def finish(self, sequences: Mapping[str, int]) -> None:
        """Set the sequences, and number the transactions anew."""
        for name, value in sequences.items():
            query = text("SELECT setval(CAST(quote_ident(:name) AS regclass), :value)")
            self._connection.execute(query, {"name": name, "value": value})
        backup_transactions.renumber(self._connection)


class PostgresBackup:
    """Copy a database as a whole. `engine` is to wait as long as it takes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """Begin a transaction that sees one moment."""
        with transaction(self._engine) as connection:
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
            connection.execute(text(PATIENCE))
            yield PostgresSnapshot(connection)

    @contextmanager
    def loading(self, tables: Sequence[TableShape]) -> Iterator[Loading]:
        """Lock and empty all tables; the guards stand again at the end, in the same transaction."""
        with transaction(self._engine) as connection:
            connection.execute(text(PATIENCE))
            if {one.name: set(one.columns) for one in _tables(connection)} != {o.name: set(o.columns) for o in tables}:
                raise Conflict("The tables of this database are not those of the backup")
            names = [one.name for one in tables]
            guards = connection.execute(GUARDS).all()
            for name in names:
                _run(connection, "ALTER TABLE {} DISABLE TRIGGER USER", name)
            _run(connection, f"TRUNCATE {', '.join('{}' for _ in names)}", *names)
            yield PostgresLoading(connection)
            for guard in guards:
                _run(connection, f"ALTER TABLE {{}} {GUARD_STATES[guard.enabled]} TRIGGER {{}}", guard[0], guard[1])

    def revision(self) -> str | None:
        """Read alembic's table."""
        with statement(self._engine) as connection:
            return migrate.current(connection)

    def known_revisions(self) -> frozenset[str]:
        """List the migrations."""
        return migrate.revisions()

    def upgrade(self, revision: str) -> None:
        """Migrate."""
        migrate.upgrade(self._engine, revision)

    def rows(self) -> int:
        """Count the users; tickets are looked for alone, as there may be millions."""
        with statement(self._engine) as connection:
            return int(connection.execute(ROWS).scalar_one())

    def analyze(self) -> None:
        """ANALYZE."""
        with statement(self._engine) as connection:
            connection.execute(text("ANALYZE"))


def _tables(connection: Connection) -> list[TableShape]:
    """List the tables, parents first; none of ours refer to each other in a ring."""
    found = {row.name: tuple(row.columns) for row in connection.execute(COLUMNS, {"revisions": REVISIONS})}
    parents: dict[str, set[str]] = {name: set() for name in found}
    for row in connection.execute(REFERENCES):
        if row.child in parents:
            parents[row.child].add(row.parent)
    ordered: list[str] = []
    while len(ordered) < len(found):
        free = [name for name in found if name not in ordered and parents[name] <= set(ordered)]
        ordered += free or sorted(set(found) - set(ordered))
    return [TableShape(name=name, columns=found[name]) for name in ordered]


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection


def _copy(connection: Connection, words: str, table: TableShape, file: IO[bytes]) -> int:
    columns = sql.SQL(", ").join(map(sql.Identifier, table.columns))
    query = sql.SQL(words).format(table=sql.Identifier(table.name), columns=columns)
    with _driver(connection).cursor() as cursor:
        cursor.copy_expert(query, file)
        return int(cursor.rowcount)


def _run(connection: Connection, words: str, *names: str) -> None:
    with _driver(connection).cursor() as cursor:
        cursor.execute(sql.SQL(words).format(*map(sql.Identifier, names)))
