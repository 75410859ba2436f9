"""The migrations make what the tables declare."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, Engine, create_engine, text
from sqlalchemy.dialects.postgresql.base import ischema_names

from service.store import migrate
from service.store.tables import Xid8, metadata


def test_migrations_make_the_tables_as_declared(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ischema_names, "xid8", Xid8)  # SQLAlchemy does not know it
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_checks_are_as_declared(engine: Engine) -> None:
    declared = {
        str(check.name)
        for table in metadata.tables.values()
        for check in table.constraints
        if isinstance(check, CheckConstraint)
    }
    checks = "SELECT conname FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace"
    with engine.connect() as connection:
        assert set(connection.execute(text(checks)).scalars()) == declared


def test_upgrading_twice_changes_nothing(engine: Engine) -> None:
    assert migrate.upgrade(engine) == (migrate.head(), migrate.head())


def test_two_upgrades_at_once_take_turns(engine: Engine) -> None:
    name = f"{engine.url.database}_two_at_once"
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as admin:
        admin.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        admin.execute(text(f"CREATE DATABASE {name}"))
        empty = create_engine(engine.url.set(database=name))
        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(lambda _: migrate.upgrade(empty), range(4)))
        empty.dispose()
        admin.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    assert sorted(before or "" for before, _ in results) == ["", *[migrate.head()] * 3]


TRIGGER = """
CREATE FUNCTION fairdeal_refuse_archived_external_id() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER tickets_refuse_archived_external_id AFTER INSERT OR UPDATE OF external_id ON tickets
    FOR EACH ROW WHEN (NEW.external_id IS NOT NULL) EXECUTE FUNCTION fairdeal_refuse_archived_external_id();
CREATE INDEX tickets_archivable_idx ON tickets (updated_at, id)
    WHERE status IN ('closed', 'sold') OR deleted_at IS NOT NULL;
"""
HANDS = """
DROP INDEX tickets_held_by_change_idx;
CREATE INDEX tickets_held_changed_idx ON tickets (updated_at, id)
    WHERE status IN ('assigned', 'in_progress') AND deleted_at IS NULL;
"""


@pytest.mark.parametrize(("revision", "otherwise"), [("0018", TRIGGER), ("0020", HANDS), ("0021", HANDS), ("0022", "")])
def test_a_checkout_from_between_two_versions_goes_on(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, revision: str, otherwise: str
) -> None:
    """Its revisions of these numbers had made the same things in another order."""
    monkeypatch.setitem(ischema_names, "xid8", Xid8)
    name = f"{engine.url.database}_between"
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as admin:
        admin.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        admin.execute(text(f"CREATE DATABASE {name}"))
        made = create_engine(engine.url.set(database=name))
        migrate.upgrade(made, revision)
        with made.begin() as connection:
            connection.execute(text(otherwise or "SELECT 1"))
        assert migrate.upgrade(made) == (revision, migrate.head())
        with made.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, metadata) == []
            body = "SELECT prosrc FROM pg_proc WHERE proname = 'fairdeal_refuse_archived_external_id'"
            assert "archived_tickets" in connection.execute(text(body)).scalar_one()
        made.dispose()
        admin.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
