"""Migrations, run under a lock so that two starts at once do not trip over each other.

A migration runs beside a service that goes on (docs/adr/0038). One that asks for a lock on a table and does not get it
at once makes everybody who comes after it wait behind it: so it gives up soon, and is tried again.

Alembic is loaded where it is used: it takes 11 MB, and the jobs have no use for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from service.domain.errors import Conflict, SchemaBusy, StoreUnavailable
from service.store.engine import transaction

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

LOCK_KEY = 0x6661_6972  # "fair"; an advisory lock of this number is held while migrating

LOCK_TIMEOUT_S = 2
"""Shorter than STATEMENT_TIMEOUT_MS by default: whoever waits behind a migration that waits is still answered."""

STATEMENT_TIMEOUT_S = 1800
"""What a statement may take once it has its locks: an index on many tickets takes minutes."""

LOCK_NOT_AVAILABLE = "55P03"
DEADLOCK = "40P01"
BUSY = (LOCK_NOT_AVAILABLE, DEADLOCK)
"""SQLSTATEs of a wait for a lock: one that ran into its timeout, and one for somebody who waited for us, too."""

SCRIPTS = Path(__file__).parent / "migrations"


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def upgrade(
    engine: Engine, revision: str = "head", *, lock_timeout_s: float = LOCK_TIMEOUT_S
) -> tuple[str | None, str | None]:
    """Bring the schema to `revision` and return the revisions before and after, None for an empty database.

    On a database that is in use, each migration has a transaction of its own, so that none keeps the locks of those
    before it. What was done stays done when a later one fails. Raises `SchemaBusy` after `lock_timeout_s` of waiting
    for a lock and after a deadlock, `StoreUnavailable`, and `Conflict` for a schema that newer code has migrated.
    """
    before, after = _step(engine, revision, lock_timeout_s)
    while (now := _step(engine, revision, lock_timeout_s)[1]) != after:
        after = now
    return before, after


def _step(engine: Engine, revision: str, lock_timeout_s: float) -> tuple[str | None, str | None]:
    """Do the next migration, on an empty database all; return the revisions before and after."""
    from alembic import command

    with _busy_is_a_fact(lock_timeout_s), transaction(engine) as connection:
        _take_turn(connection)
        connection.execute(text(f"SET LOCAL lock_timeout = {round(lock_timeout_s * 1000)}"))
        before = current(connection)
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, _next(before, revision))
        return before, current(connection)


def _take_turn(connection: Connection) -> None:
    """Wait for whoever migrates at the same time, for as long as a migration may take: that holds nobody up."""
    long_ms = STATEMENT_TIMEOUT_S * 1000
    connection.execute(text(f"SET LOCAL statement_timeout = {long_ms}; SET LOCAL lock_timeout = {long_ms}"))
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})


def _next(before: str | None, revision: str) -> str:
    """Name the revision after `before` on the way to `revision`. Raises `Conflict` for one that is not known."""
    if before is None:
        return revision
    if before not in revisions():
        raise Conflict(f"The schema is at revision {before}, which this version does not know: it is newer")
    ahead = [script.revision for script in _scripts().iterate_revisions(revision, before)]
    return ahead[-1] if ahead else before


@contextmanager
def _busy_is_a_fact(lock_timeout_s: float) -> Iterator[None]:
    """Raise `SchemaBusy` for a wait for a lock that has lasted too long, or would have lasted for ever."""
    try:
        yield
    except StoreUnavailable as exc:
        cause = exc.__cause__
        state = getattr(cause.orig, "pgcode", None) if isinstance(cause, OperationalError) else None
        if state not in BUSY:
            raise
        what = (
            "A migration and another transaction waited for each other, and the migration gave up"
            if state == DEADLOCK
            else f"A migration waited {lock_timeout_s:g} s for a lock that another transaction keeps, and gave up so "
            "that nobody waits behind it"
        )
        raise SchemaBusy(f"{what}; what it had begun is undone") from cause


def current(connection: Connection) -> str | None:
    """Read the schema's revision; None for an empty database."""
    from alembic.migration import MigrationContext

    return MigrationContext.configure(connection).get_current_revision()


def head() -> str | None:
    """Name the newest revision this code knows."""
    return _scripts().get_current_head()


def revisions() -> frozenset[str]:
    """Name every revision this code knows."""
    return frozenset(script.revision for script in _scripts().walk_revisions())


def _scripts() -> ScriptDirectory:
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_config())
