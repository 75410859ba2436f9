"""Locks of a migration: none that could end in a deadlock with the service beside it (docs/adr/0038).

Event triggers write down what the migration has locked before and after each of its statements that change the schema.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, Row, create_engine, text

from service.store import migrate
from tests.unit.test_migration_rules import LAST_BEFORE_THE_RULE

MODES = (
    "AccessShareLock",
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
)
WRITES = MODES.index("RowExclusiveLock")
BLOCKS_WRITERS = MODES.index("ShareLock")

WATCH = """
CREATE TABLE locks_seen (moment BIGINT, command TEXT, relation TEXT, mode TEXT);
CREATE SEQUENCE moments;
CREATE FUNCTION see_locks() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE now_is BIGINT := nextval('moments');
BEGIN
    INSERT INTO locks_seen
    SELECT now_is, tg_tag, c.relname, l.mode
    FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
    WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation'
      AND c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace;
END $$;
CREATE EVENT TRIGGER see_locks_before ON ddl_command_start EXECUTE FUNCTION see_locks();
CREATE EVENT TRIGGER see_locks ON ddl_command_end EXECUTE FUNCTION see_locks();
"""
TABLES = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
OURS = {"alembic_version", "locks_seen"}

ONE = """
from alembic import op
revision, down_revision = "0001", None
def upgrade():
    op.execute("CREATE TABLE a (id INT); CREATE TABLE b (id INT); CREATE INDEX old ON a (id)")
"""
TWO = """
from alembic import op
revision, down_revision = "0002", "0001"
def upgrade():
    op.execute({sql!r})
"""


@pytest.fixture
def empty(engine: Engine) -> Iterator[Engine]:
    name = f"{engine.url.database}_migration_locks"
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as admin:
        admin.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        admin.execute(text(f"CREATE DATABASE {name}"))
        made = create_engine(engine.url.set(database=name))
        yield made
        made.dispose()
        admin.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


def _watch(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text(WATCH))


def _faults(engine: Engine, revision: str) -> list[str]:
    """Do the migration and say what is wrong with its locks on tables that were there before."""
    with engine.begin() as connection:
        there = set(connection.execute(text(TABLES)).scalars()) - OURS
        connection.execute(text("TRUNCATE locks_seen"))
    migrate.upgrade(engine, revision)
    with engine.begin() as connection:
        seen = connection.execute(text("SELECT * FROM locks_seen ORDER BY moment")).all()
    return _judged([row for row in seen if row.relation in there])


def _judged(seen: list[Row[tuple[int, str, str, str]]]) -> list[str]:
    held: dict[str, int] = {}
    faults = []
    for moment in sorted({row.moment for row in seen}):
        before = dict(held)
        for row in seen:
            if row.moment == moment:
                held[row.relation] = max(held.get(row.relation, 0), MODES.index(row.mode))
        command = next(row.command for row in seen if row.moment == moment)
        faults += [
            f"{command} raises the lock on {relation} from {MODES[before[relation]]} to {MODES[mode]}"
            for relation, mode in held.items()
            if WRITES <= before.get(relation, 0) < mode
        ]
    blocked = sorted(relation for relation, mode in held.items() if mode >= BLOCKS_WRITERS)
    return faults + ([f"writers of {' and '.join(blocked)} wait at once"] if len(blocked) > 1 else [])


def test_no_migration_raises_a_lock_or_blocks_writers_of_two_tables(empty: Engine) -> None:
    ruled = sorted(each for each in migrate.revisions() if int(each) > LAST_BEFORE_THE_RULE)
    assert ruled
    migrate.upgrade(empty, f"{LAST_BEFORE_THE_RULE:04}")
    _watch(empty)
    assert {revision: faults for revision in ruled if (faults := _faults(empty, revision))} == {}


@pytest.mark.parametrize(
    ("sql", "fault"),
    [
        ("CREATE INDEX new ON a (id); DROP INDEX old", "DROP INDEX raises the lock on a"),
        ("UPDATE a SET id = 1; ALTER TABLE a ADD COLUMN colour TEXT", "ALTER TABLE raises the lock on a"),
        ("CREATE INDEX new ON a (id); ALTER TABLE a ADD COLUMN colour TEXT", "ALTER TABLE raises the lock on a"),
        ("CREATE INDEX new ON a (id); CREATE INDEX other ON b (id)", "writers of a and b wait at once"),
        ("DROP INDEX old; CREATE INDEX new ON a (id)", None),
        ("CREATE TABLE c (id INT); CREATE INDEX new ON a (id); CREATE INDEX other ON c (id)", None),
    ],
)
def test_what_could_end_in_a_deadlock_is_noticed(
    empty: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sql: str, fault: str | None
) -> None:
    versions = tmp_path / "versions"
    versions.mkdir()
    (versions / "one.py").write_text(ONE)
    (versions / "two.py").write_text(TWO.format(sql=sql))
    (tmp_path / "env.py").write_text((migrate.SCRIPTS / "env.py").read_text())
    monkeypatch.setattr(migrate, "SCRIPTS", tmp_path)
    migrate.upgrade(empty, "0001")
    _watch(empty)
    faults = _faults(empty, "0002")
    assert [each for each in faults if fault and each.startswith(fault)] == faults
    assert bool(faults) == bool(fault)
