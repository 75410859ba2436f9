"""The engine: one pool per process, bounded waits, and drivers' errors turned into facts."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, InvalidRequestError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.domain.errors import StoreUnavailable
from service.glances import has_input
from service.store.patience import Watch

log = logging.getLogger(__name__)

QUERY_CANCELED = "57014"
"""SQLSTATE of a statement that ran into its timeout."""

READ_ONLY = "25006"
"""SQLSTATE of a write to a server that takes none: a standby, one in recovery, or one set to read only."""

AT_A_LOSS = "XX"
"""The class of SQLSTATEs for what PostgreSQL itself cannot explain, a file that must not grow among it."""

OUTSIDE_OF_SQLALCHEMY = (psycopg2.OperationalError, psycopg2.InterfaceError)
"""Raised by the driver where SQLAlchemy does not look: while a connection is taken back."""

ANSWER_GRACE_S = 2.0
"""How much longer than a statement may run its answer may take to arrive."""

PREPARES = "fairdeal_prepares"
"""The engine's option that says whether `service.store.prepared` prepares its statements."""


def make_engine(
    url: str,
    *,
    statement_timeout_ms: int,
    pool_size: int,
    application_name: str,
    watched: bool = True,
    prepares: bool = True,
    pooled: bool = False,
) -> Engine:
    """Make an engine that connects on first use.

    `pool_size` is the number of threads that may use it at once. A statement is given `statement_timeout_ms`, a lock
    the same, a connection two seconds. Keepalives notice a vanished server within about ten seconds, and an engine that
    is `watched` gives up a connection that lives and says nothing, two seconds after the statement's own timeout.
    Without `prepares`, no statement is kept on the server. A `pooled` engine goes by way of a pooler that may give each
    transaction another connection: nothing is kept there, and each transaction says again how long it may take, in the
    message of its first statement.
    """
    limits = _limits(statement_timeout_ms)
    watch = Watch(statement_timeout_ms / 1000 + ANSWER_GRACE_S, preface=_as_preface(limits) if pooled else "")
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=2,
        pool_timeout=statement_timeout_ms / 1000,
        pool_use_lifo=True,
        skip_autocommit_rollback=True,  # the driver gives the interpreter up to find that there is nothing to undo
        execution_options={PREPARES: prepares and not pooled},
        connect_args={
            **({"connection_factory": watch.connection} if watched else {}),
            "connect_timeout": 2,
            "application_name": application_name,
            **({} if pooled else {"options": _as_options(limits)}),
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "tcp_user_timeout": 2 * statement_timeout_ms,
        },
    )
    event.listen(engine, "checkout", _refuse_hung_up)
    event.listen(engine, "engine_connect", _begin_transactions)
    return engine


def _limits(statement_timeout_ms: int) -> dict[str, str]:
    return {
        "statement_timeout": str(statement_timeout_ms),
        "lock_timeout": str(statement_timeout_ms),
        "idle_in_transaction_session_timeout": str(2 * statement_timeout_ms),
        "timezone": "UTC",
    }


def _as_options(limits: dict[str, str]) -> str:
    """Write settings of a session as libpq sends them when it connects."""
    settings = {**limits, "default_transaction_isolation": r"read\ committed"}
    return " ".join(f"-c {name}={value}" for name, value in settings.items())


def _as_preface(limits: dict[str, str]) -> str:
    """Write settings of a transaction as statements."""
    return "".join(f"SET LOCAL {name} = '{value}'; " for name, value in limits.items())


def _refuse_hung_up(connection: Any, _record: object, _lent: object) -> None:
    """Have the pool replace a connection that the server has ended while nobody used it, as it does when it restarts.

    Nothing comes unasked but a goodbye, or word of a changed setting. Looking costs two microseconds, a ping would
    cost a round trip.
    """
    if has_input(connection.fileno()):
        raise DisconnectionError("The server has ended this connection")


def _begin_transactions(connection: Connection) -> None:
    """Turn off the autocommit that `service.store.prepared` leaves on: SQLAlchemy takes it to be off."""
    driver: Any = connection.connection.dbapi_connection
    if driver.autocommit:
        driver.autocommit = False


@contextmanager
def errors_as_facts() -> Iterator[None]:
    """Raise `StoreUnavailable` for whatever says that PostgreSQL does not answer, or cannot do this just now."""
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout, *OUTSIDE_OF_SQLALCHEMY) as exc:
        raise StoreUnavailable("PostgreSQL did not answer; try again shortly") from exc
    except DBAPIError as exc:
        if exc.connection_invalidated:
            raise StoreUnavailable("The connection to PostgreSQL was lost; try again shortly") from exc
        code = getattr(exc.orig, "pgcode", None) or ""
        if code == READ_ONLY or code.startswith(AT_A_LOSS):
            log.warning("store_refuses", extra={"sqlstate": code, "why": str(exc.orig).strip()})
            raise StoreUnavailable("PostgreSQL cannot do this just now; try again shortly") from exc
        raise


def _lent(engine: Engine) -> Connection:
    """Take a connection from the pool. Raises `StoreUnavailable` when each one it tried had been ended."""
    try:
        return engine.connect()
    except InvalidRequestError as exc:  # what the pool makes of `DisconnectionError` the third time
        raise StoreUnavailable("PostgreSQL keeps ending connections; try again shortly") from exc


@contextmanager
def statement(engine: Engine) -> Iterator[Connection]:
    """Lend a connection whose every statement commits by itself.

    Raises `StoreUnavailable` when PostgreSQL does not answer; what was under way may have been committed.
    """
    with errors_as_facts(), _lent(engine) as connection:
        yield connection.execution_options(isolation_level="AUTOCOMMIT")


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """Lend a connection in a transaction, committed at the end. Raises as `statement` does."""
    with errors_as_facts(), _lent(engine) as connection, connection.begin():
        yield connection
