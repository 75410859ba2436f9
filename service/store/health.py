"""PostgreSQL's health: see `service.usecases.ports.health.StoreProbe` for what each method promises."""

from __future__ import annotations

from functools import cache

from sqlalchemy import Engine, text

from service.domain.errors import StoreUnavailable
from service.store import migrate
from service.store.engine import statement
from service.usecases.ports.health import SchemaState

TAKES_WRITES = text("SELECT current_setting('transaction_read_only') = 'off'")


class PostgresProbe:
    """Ask PostgreSQL how it is."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def ping(self) -> None:
        """Run a trivial query, which also tells whether the server takes writes: a standby does not."""
        with statement(self._engine) as connection:
            if not connection.execute(TAKES_WRITES).scalar_one():
                raise StoreUnavailable("PostgreSQL takes no writes just now: it is a standby or set to read only")

    def schema(self) -> SchemaState:
        """Read alembic's version table."""
        head, known = _code()
        with statement(self._engine) as connection:
            present = migrate.current(connection)
        fits = present is not None and (present == head or present not in known)
        return SchemaState(present=present, head=head, fits=fits)


@cache
def _code() -> tuple[str | None, frozenset[str]]:
    """Read from the migration scripts, once: the newest revision, and all of them."""
    return migrate.head(), migrate.revisions()
