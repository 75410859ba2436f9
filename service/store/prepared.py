"""Statements that PostgreSQL parses and plans once for each connection: those of the request path.

Planning the arbiter costs more than carrying it out, so it is `PREPARE`d on each connection when that first needs it
and `EXECUTE`d from then on, on the bare connection of the pool (docs/adr/0024). A prepared statement may vanish
(`DISCARD ALL`, a pooler that lends another server connection) or no longer fit the schema; PostgreSQL says so before it
does anything, and the statement is then carried out unprepared.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha1
from typing import Any, cast

import psycopg2
from psycopg2.errors import DuplicatePreparedStatement, FeatureNotSupported, InvalidSqlStatementName
from sqlalchemy import Engine, PoolProxiedConnection
from sqlalchemy.exc import DBAPIError, InvalidRequestError

from service.domain.errors import StoreUnavailable
from service.store.engine import PREPARES, errors_as_facts
from service.tracing import TRACER, Tracer, around

_PARAMETER = re.compile(r"(?<!:):([a-z_]+)")
_KNOWN = "fairdeal.prepared"


class Prepared:
    """One statement, with the SQL type of each of its `:parameters`. It changes by itself what it changes."""

    def __init__(self, name: str, sql: str, /, **types: str) -> None:
        self.label, self.text = name, sql.strip()
        numbers = {parameter: f"${number}" for number, parameter in enumerate(types, start=1)}
        # The name tells the text: where a pooler shares server connections, another version's statement is another one.
        self.name = f"fairdeal_{name}_{sha1(sql.encode(), usedforsecurity=False).hexdigest()[:8]}"
        numbered = _PARAMETER.sub(lambda match: numbers[match[1]], sql)
        self.prepare = f"PREPARE {self.name}{_listed(types.values())} AS {numbered}"
        self.execute = f"EXECUTE {self.name}{_listed(f'%({parameter})s' for parameter in types)}"
        self.unprepared = _PARAMETER.sub(lambda match: f"%({match[1]})s::{types[match[1]]}", sql.replace("%", "%%"))
        self.deallocate = f"DEALLOCATE {self.name}"

    def rows(self, engine: Engine, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Carry it out, committed at once, and return its rows.

        Raises `StoreUnavailable` as `service.store.engine.statement` does, and SQLAlchemy's errors for the rest.
        """
        options = engine.get_execution_options()
        tracer: Tracer | None = options.get(TRACER)
        if tracer is None:
            return self._rows(engine, values, prepares=options[PREPARES])
        with around(tracer.child(self.label, {"db.system.name": "postgresql", "db.query.text": self.text})):
            return self._rows(engine, values, prepares=options[PREPARES])

    def _rows(self, engine: Engine, values: Mapping[str, Any], *, prepares: bool) -> list[tuple[Any, ...]]:
        with errors_as_facts(), _lent(engine, self.name) as lent:
            cursor = lent.cursor()
            if prepares:
                self._execute(cursor, values, known=lent.info.setdefault(_KNOWN, set()))
            else:
                cursor.execute(self.unprepared, values)
            return cast("list[tuple[Any, ...]]", cursor.fetchall())

    def _execute(self, cursor: Any, values: Mapping[str, Any], *, known: set[str]) -> None:
        if self.name not in known:
            with contextlib.suppress(DuplicatePreparedStatement):
                cursor.execute(self.prepare)
            known.add(self.name)
        try:
            cursor.execute(self.execute, values)
        except InvalidSqlStatementName:  # gone
            known.discard(self.name)
            cursor.execute(self.unprepared, values)
        except FeatureNotSupported:  # "cached plan must not change result type"
            known.discard(self.name)
            cursor.execute(self.deallocate)
            cursor.execute(self.unprepared, values)


def _listed(parts: Iterable[str]) -> str:
    """Put a list in brackets, if there is one: PostgreSQL takes no empty ones."""
    listed = ", ".join(parts)
    return f" ({listed})" if listed else ""


@contextlib.contextmanager
def _lent(engine: Engine, what: str) -> Iterator[PoolProxiedConnection]:
    """Lend a connection of the pool, in autocommit, without the rest of SQLAlchemy; its errors are SQLAlchemy's.

    Autocommit stays on until SQLAlchemy has the connection (`service.store.engine`): each time it is turned, the thread
    gives the interpreter up, for nothing that the server hears of.
    """
    try:
        lent = engine.pool.connect()
    except InvalidRequestError as exc:  # what the pool makes of `DisconnectionError` the third time
        raise StoreUnavailable("PostgreSQL keeps ending connections; try again shortly") from exc
    except psycopg2.Error as exc:
        raise DBAPIError.instance(what, None, exc, psycopg2.Error, dialect=engine.dialect) from exc
    connection: Any = lent.dbapi_connection
    try:
        if not connection.autocommit:
            connection.autocommit = True
        yield lent
    except psycopg2.Error as exc:
        is_lost = engine.dialect.is_disconnect(exc, connection, None)
        if is_lost:
            lent.invalidate(exc)
        raise DBAPIError.instance(
            what, None, exc, psycopg2.Error, connection_invalidated=is_lost, dialect=engine.dialect
        ) from exc
    finally:
        lent.close()
