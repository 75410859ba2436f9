"""Migrations, run under a lock so that two starts at once do not trip over each other.

Alembic is loaded where it is used: it takes 11 MB, and the jobs have no use for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, text

from service.domain.errors import Conflict
from service.store.engine import transaction

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

LOCK_KEY = 0x6661_6972  # "fair"; an advisory lock of this number is held while migrating

SCRIPTS = Path(__file__).parent / "migrations"


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def upgrade(engine: Engine, revision: str = "head") -> tuple[str | None, str | None]:
    """Bring the schema to `revision` and return the revisions before and after, None for an empty database.

    Raises `StoreUnavailable`, and `Conflict` for a schema that newer code has migrated.
    """
    from alembic import command

    with transaction(engine) as connection:
        connection.execute(text("SET LOCAL lock_timeout = '10s'; SET LOCAL statement_timeout = '10min'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
        before = current(connection)
        if before is not None and before not in revisions():
            raise Conflict(f"The schema is at revision {before}, which this version does not know: it is newer")
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        after = current(connection)
    return before, after


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
