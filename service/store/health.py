"""PostgreSQL's health: see `service.usecases.ports.health.StoreProbe` for what each method promises."""

from __future__ import annotations

from functools import cache

from alembic.migration import MigrationContext
from sqlalchemy import Engine, text

from service.store import migrate
from service.store.engine import statement
from service.usecases.ports.health import SchemaState

PING = text("SELECT 1")


class PostgresProbe:
    """Ask PostgreSQL how it is."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def ping(self) -> None:
        """Run a trivial query."""
        with statement(self._engine) as connection:
            connection.execute(PING)

    def schema(self) -> SchemaState:
        """Read alembic's version table."""
        head, known = _code()
        with statement(self._engine) as connection:
            present = MigrationContext.configure(connection).get_current_revision()
        fits = present is not None and (present == head or present not in known)
        return SchemaState(present=present, head=head, fits=fits)


@cache
def _code() -> tuple[str | None, frozenset[str]]:
    """Read from the migration scripts, once: the newest revision, and all of them."""
    return migrate.head(), migrate.revisions()
