"""The engine: one pool per process, bounded waits, and drivers' errors turned into facts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.domain.errors import StoreUnavailable

QUERY_CANCELED = "57014"
"""SQLSTATE of a statement that ran into its timeout."""


def make_engine(url: str, *, statement_timeout_ms: int, pool_size: int, application_name: str) -> Engine:
    """Make an engine that connects on first use.

    `pool_size` is the number of threads that may use it at once. A statement is given `statement_timeout_ms`, a lock
    the same, a connection two seconds. Keepalives notice a vanished server within about ten seconds.
    """
    return create_engine(
        url,
        pool_size=pool_size,
        max_overflow=2,
        pool_timeout=statement_timeout_ms / 1000,
        pool_use_lifo=True,
        connect_args={
            "connect_timeout": 2,
            "application_name": application_name,
            "options": (
                f"-c statement_timeout={statement_timeout_ms} -c lock_timeout={statement_timeout_ms} "
                f"-c idle_in_transaction_session_timeout={2 * statement_timeout_ms} -c timezone=UTC"
            ),
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "tcp_user_timeout": 2 * statement_timeout_ms,
        },
    )


@contextmanager
def _errors_as_facts() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout) as exc:
        raise StoreUnavailable("PostgreSQL did not answer; try again shortly") from exc
    except DBAPIError as exc:
        if exc.connection_invalidated:
            raise StoreUnavailable("The connection to PostgreSQL was lost; try again shortly") from exc
        raise


@contextmanager
def statement(engine: Engine) -> Iterator[Connection]:
    """Lend a connection whose every statement commits by itself.

    Raises `StoreUnavailable` when PostgreSQL does not answer; what was under way may have been committed.
    """
    with _errors_as_facts(), engine.connect() as connection:
        yield connection.execution_options(isolation_level="AUTOCOMMIT")


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """Lend a connection in a transaction, committed at the end. Raises as `statement` does."""
    with _errors_as_facts(), engine.begin() as connection:
        yield connection
