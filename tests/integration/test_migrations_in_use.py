"""Migrations beside a service at work: they wait for a moment and give up, and nobody waits behind them for long."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, text

from scripts.waiting import wait_until
from service.domain.errors import SchemaBusy
from service.store import migrate
from service.store.engine import make_engine

PATIENCE_S = 30.0
WAITING = text("""
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE :like
""")

FIRST = """
from alembic import op
revision = "0001"
down_revision = None
def upgrade():
    op.execute("CREATE TABLE tickets (id BIGINT)")
"""
SECOND = """
from alembic import op
revision = "0002"
down_revision = "0001"
def upgrade():
    op.execute("CREATE TABLE beside (id BIGINT)")
"""
THIRD = """
from alembic import op
revision = "0003"
down_revision = "0002"
def upgrade():
    op.execute("ALTER TABLE tickets ADD COLUMN colour TEXT")
"""


RAISING = """
from alembic import op
revision = "0002"
down_revision = "0001"
def upgrade():
    op.execute("LOCK TABLE tickets IN SHARE MODE")
    op.execute("DO $$ BEGIN"
               " WHILE NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'tickets'::regclass)"
               " LOOP PERFORM pg_sleep(0.01); END LOOP; END $$")
    op.execute("ALTER TABLE tickets ADD COLUMN hue TEXT")
"""


@pytest.fixture
def used(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """A database of its own at the first of three revisions; the third wants the table that everybody uses."""
    versions = tmp_path / "versions"
    versions.mkdir()
    (versions / "first.py").write_text(FIRST)
    (tmp_path / "env.py").write_text((migrate.SCRIPTS / "env.py").read_text())
    monkeypatch.setattr(migrate, "SCRIPTS", tmp_path)
    name = f"{engine.url.database}_in_use"
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as admin:
        admin.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        admin.execute(text(f"CREATE DATABASE {name}"))
        made = create_engine(engine.url.set(database=name))
        migrate.upgrade(made)
        (versions / "second.py").write_text(SECOND)
        (versions / "third.py").write_text(THIRD)
        yield made
        made.dispose()
        admin.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


def _is_shared(engine: Engine) -> bool:
    locked = "SELECT count(*) FROM pg_locks WHERE granted AND mode = 'ShareLock' AND relation = 'tickets'::regclass"
    with engine.connect() as connection:
        return bool(connection.execute(text(locked)).scalar_one())


def _revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return migrate.current(connection)


def _waiting(connection: Connection, like: str) -> bool:
    return bool(connection.execute(WAITING, {"like": f"{like}%"}).scalar_one())


def test_a_migration_that_waits_for_a_lock_gives_up(used: Engine) -> None:
    with used.begin() as other:
        other.execute(text("SELECT count(*) FROM tickets"))
        with pytest.raises(SchemaBusy, match=r"waited 0\.2 s for a lock"):
            migrate.upgrade(used, lock_timeout_s=0.2)
    assert migrate.upgrade(used) == ("0002", "0003")


def test_what_was_done_before_the_lock_was_wanted_is_kept(used: Engine) -> None:
    with used.begin() as other:
        other.execute(text("SELECT count(*) FROM tickets"))
        with pytest.raises(SchemaBusy):
            migrate.upgrade(used, lock_timeout_s=0.2)
        assert _revision(used) == "0002"


def test_requests_behind_a_waiting_migration_are_served_when_it_gives_up(used: Engine) -> None:
    """A long transaction keeps the migration waiting, and the migration a request: that one must not fail for it."""
    url = used.url.render_as_string(hide_password=False)
    service = make_engine(url, statement_timeout_ms=60_000, pool_size=1, application_name="request")
    looked = used.execution_options(isolation_level="AUTOCOMMIT")  # each look a new one
    with looked.connect() as looking, used.begin() as other, ThreadPoolExecutor(2) as pool:
        other.execute(text("SELECT count(*) FROM tickets"))
        migrating = pool.submit(migrate.upgrade, used, lock_timeout_s=10.0)
        assert wait_until(lambda: _waiting(looking, "ALTER TABLE"), PATIENCE_S)
        with service.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM tickets")).scalar_one() == 0
        with pytest.raises(SchemaBusy):
            migrating.result(PATIENCE_S)
    service.dispose()


def test_a_migration_that_is_ended_for_a_deadlock_is_busy_and_may_be_repeated(used: Engine) -> None:
    (migrate.SCRIPTS / "versions" / "second.py").write_text(RAISING)
    with used.connect() as other, ThreadPoolExecutor(2) as pool:
        other.execute(text("SELECT id FROM tickets FOR UPDATE"))
        migrating = pool.submit(migrate.upgrade, used, lock_timeout_s=PATIENCE_S)
        assert wait_until(lambda: _is_shared(used), PATIENCE_S)
        other.execute(text("INSERT INTO tickets VALUES (1)"))
        other.commit()
        with pytest.raises(SchemaBusy, match="waited for each other"):
            migrating.result(PATIENCE_S)
    (migrate.SCRIPTS / "versions" / "second.py").write_text(SECOND)
    assert migrate.upgrade(used) == ("0001", "0003")


def test_two_upgrades_of_a_database_in_use_take_turns(used: Engine) -> None:
    start = threading.Barrier(3)

    def upgrade(_: int) -> tuple[str | None, str | None]:
        start.wait()
        return migrate.upgrade(used)

    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(upgrade, range(3)))
    assert {after for _, after in results} == {"0003"}


def test_a_migration_waits_less_long_than_a_request_behind_it_may() -> None:
    from service.config import Settings

    assert Settings.model_fields["statement_timeout_ms"].default > migrate.LOCK_TIMEOUT_S * 1000


def test_migrations_are_one_row() -> None:
    """The steps go along it."""
    config = migrate._config()
    assert len(ScriptDirectory.from_config(config).get_heads()) == 1
