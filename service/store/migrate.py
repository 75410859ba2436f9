"""Migrations, run under a lock so that two starts at once do not trip over each other."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

LOCK_KEY = 0x6661_6972  # "fair"; an advisory lock of this number is held while migrating

SCRIPTS = Path(__file__).parent / "migrations"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def upgrade(engine: Engine, revision: str = "head") -> tuple[str | None, str | None]:
    """Bring the schema to `revision` and return the revisions before and after, None for an empty database."""
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL lock_timeout = '10s'; SET LOCAL statement_timeout = '10min'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
        before = MigrationContext.configure(connection).get_current_revision()
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        after = MigrationContext.configure(connection).get_current_revision()
    return before, after


def head() -> str | None:
    """Name the newest revision this code knows."""
    return ScriptDirectory.from_config(_config()).get_current_head()
