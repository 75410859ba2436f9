"""Backup and restore on real servers: the same tickets, on a server that never saw them, without Redis's help."""

from __future__ import annotations

import json
import stat
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from redis import Redis
from sqlalchemy import Engine, create_engine, text

from scripts.throwaway import servers
from scripts.waiting import wait_until
from service.bootstrap import Container, build_container
from service.cli import cli
from service.cli.setup import Setup
from service.config import Settings, load
from service.domain.model import Priority
from service.store import event_feed, migrate
from service.ticket_queue.keys import Keys
from service.usecases.ports.people import AgentDraft
from service.usecases.ports.tickets import Buyer, TicketDraft
from tests.integration.archiving import archive, grow_old

PASSWORD = "Correct-horse-7"
EVENT = text("""
INSERT INTO ticket_events (ticket_id, cause, from_status, to_status, agent_id, epoch, note, priority)
SELECT id, 'note', status, status, agent_id, epoch, :note, priority FROM tickets ORDER BY id DESC LIMIT 1
""")
SAME = ("users", "agents", "customers", "tickets", "claims", "idempotency_keys", "webhooks")


@pytest.fixture
def environ(settings: Settings) -> dict[str, str]:
    return {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "JWT_SECRET_KEY": settings.jwt_secret_key.get_secret_value(),
        "QUEUE_PREFIX": settings.queue_prefix,
        "REDIS_TIMEOUT_MS": "5000",
    }


def run(environ: dict[str, str], *args: str, answer: str = "") -> Result:
    return CliRunner().invoke(cli, args, obj=Setup(environ), input=answer)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "monday.fairdeal"


@pytest.fixture
def used(container: Container, make_tickets: Any) -> list[int]:
    """A database with people, tickets in every state, a sale, and a session."""
    ids: list[int] = make_tickets(20)
    ann = container.agents.create(AgentDraft(username="ann", password=PASSWORD)).id
    container.sessions.login("ann", PASSWORD, address="192.0.2.7")
    hand = container.assignments.fetch(ann, limit=5).tickets
    container.lifecycle.start(ann, hand[0].id)
    container.lifecycle.sell(ann, hand[1].id, Buyer(name="Kim \\N \u2603", email="kim@example.com"))
    container.lifecycle.release(ann, hand[2].id, reason="not\nmine")
    return ids


def rows(engine: Engine, table: str) -> list[Any]:
    hidden = {"active_from"}  # a transaction's number, which is another there
    with engine.connect() as connection:
        connection.execute(text("SET LOCAL TIME ZONE 'UTC'"))
        found = connection.execute(text(f"SELECT to_jsonb(t) FROM {table} t ORDER BY 1::text")).scalars()
        return [{k: v for k, v in row.items() if k not in hidden} for row in found]


def untold(engine: Engine, reader: str) -> list[str]:
    notes: list[str] = []
    with engine.begin() as connection:
        while found := event_feed.read_on(connection, reader, limit=500):
            notes += [event.note for one in found for event in one.events]
    return notes


@contextmanager
def database_of(engine: Engine, name: str) -> Iterator[str]:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as admin:
        admin.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        admin.execute(text(f"CREATE DATABASE {name}"))
        try:
            yield engine.url.set(database=name).render_as_string(hide_password=False)
        finally:
            admin.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.mark.slow
def test_a_new_server_goes_on_where_the_backup_stopped(
    environ: dict[str, str], engine: Engine, used: list[int], file: Path
) -> None:
    """Neither server has seen any of it before; what has still to be told of is more than they have transactions."""
    for reader in ("early", "late"):
        with engine.begin() as connection:
            event_feed.skip_to(connection, reader, 0)
    assert untold(engine, "early")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(EVENT, {"note": "for both"})
        connection.execute(text("INSERT INTO webhooks (url, secret) VALUES ('https://hooks.example', 'x')"))
    assert untold(engine, "late")[-1] == "for both"
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for n in range(1_500):
            connection.execute(EVENT, {"note": f"{n}"})
    assert run(environ, "backup", str(file)).exit_code == 0
    news = [f"{n}" for n in range(1_500)]
    with servers() as fresh:
        there = environ | {"DATABASE_URL": fresh.database_url, "REDIS_URL": fresh.redis_url}
        result = run(there, "restore", str(file))
        assert result.exit_code == 0, result.output
        assert "restored 20 tickets" in result.stdout
        found = create_engine(load(there).database_url)
        for table in SAME:
            assert rows(found, table) == rows(engine, table), table
        assert wait_until(partial(_is_verified, there), 60, pause_s=1)
        stats = json.loads(run(there, "queue", "stats", "--json").stdout)
        assert stats["trusted"] is True
        assert stats["queued"] == stats["open"] == {"high": 0, "medium": 16, "low": 0}
        assert untold(found, "late") == news
        assert untold(found, "early") == ["for both", *news]
        _goes_on(load(there), found, used)
        found.dispose()


def _goes_on(settings: Settings, engine: Engine, ids: list[int]) -> None:
    built = build_container(settings)
    try:
        with engine.connect() as connection:
            ann = connection.execute(text("SELECT id FROM users WHERE username = 'ann'")).scalar_one()
            assert connection.execute(text("SELECT count(*) FROM sessions")).scalar_one() == 0
        assert [ticket.id for ticket in built.assignments.held(ann).tickets] == [ids[0], ids[3], ids[4]]
        dealt = built.assignments.fetch(ann, limit=2)
        assert [ticket.id for ticket in dealt.tickets] == [ids[0], ids[2], ids[3], ids[4], ids[5]]
        assert dealt.served_by == "queue"
        assert built.tickets.create(TicketDraft(subject="new"), actor_id=None).id > max(ids)
        with engine.begin() as connection:
            connection.execute(EVENT, {"note": "new here"})
        assert untold(engine, "late")[-1] == "new here"
    finally:
        built.close()


def test_a_restore_takes_back_what_came_after(
    environ: dict[str, str], engine: Engine, container: Container, used: list[int], file: Path, keys: Keys,
    redis_client: Redis,
) -> None:  # fmt: skip
    assert run(environ, "backup", str(file)).exit_code == 0
    before = {table: rows(engine, table) for table in ("users", "tickets")}
    container.tickets.create(TicketDraft(subject="too late"), actor_id=None)
    redis_client.rpush(keys.queue(Priority.HIGH), 999)
    result = run(environ, "restore", str(file), answer="y\n")
    assert result.exit_code == 0, result.output
    assert "Throw away what is in the database now" in result.stdout
    assert {table: rows(engine, table) for table in before} == before
    assert json.loads(run(environ, "verify", "--json").stdout)["ok"]
    assert redis_client.lrange(keys.queue(Priority.HIGH), 0, -1) == []


def test_nothing_is_overwritten_unasked(
    environ: dict[str, str], engine: Engine, container: Container, used: list[int], file: Path
) -> None:
    run(environ, "backup", str(file))
    late = container.tickets.create(TicketDraft(subject="kept"), actor_id=None).id
    result = run(environ, "restore", str(file), answer="n\n")
    assert result.exit_code == 1
    assert rows(engine, "tickets")[-1]["id"] == late
    again = run(environ, "backup", str(file))
    assert again.exit_code == 1
    assert "is there already" in again.stderr


def test_a_damaged_backup_changes_nothing(
    environ: dict[str, str], engine: Engine, used: list[int], file: Path, tmp_path: Path
) -> None:
    run(environ, "backup", str(file))
    before = rows(engine, "tickets")
    cut = tmp_path / "cut.fairdeal"
    cut.write_bytes(file.read_bytes()[:-200])
    bad = tmp_path / "bad.fairdeal"
    with zipfile.ZipFile(file) as whole, zipfile.ZipFile(bad, "w") as copy:
        for name in whole.namelist():
            content = whole.read(name)
            copy.writestr(name, content.partition(b"\n")[2] if "ticket_events" in name else content)
    other = tmp_path / "other.fairdeal"
    other.write_text("hello")
    for path, words in ((cut, "no backup"), (bad, "is damaged"), (other, "no backup")):
        result = run(environ, "restore", str(path), "--yes")
        assert result.exit_code == 1
        assert words in result.stderr
        assert rows(engine, "tickets") == before
    with engine.connect() as connection:
        guards = "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'D'"
        assert connection.execute(text(guards)).scalar_one() == 0


def test_the_guards_stand_after_a_restore(environ: dict[str, str], engine: Engine, used: list[int], file: Path) -> None:
    query = text(
        "SELECT tgname, tgrelid::regclass::text, tgenabled FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1, 2"
    )
    with engine.connect() as connection:
        before = connection.execute(query).all()
    run(environ, "backup", str(file))
    assert run(environ, "restore", str(file), "--yes").exit_code == 0
    with engine.connect() as connection:
        assert connection.execute(query).all() == before


def test_a_backup_is_for_its_owner_and_complete_or_not_there(
    environ: dict[str, str], used: list[int], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from service.store.backup import PostgresSnapshot

    run(environ, "backup", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

    def fail(*_: object) -> int:
        raise OSError("No space left on device")

    monkeypatch.setattr(PostgresSnapshot, "copy_out", fail)
    assert run(environ, "backup", str(file.with_name("next.fairdeal"))).exit_code == 1
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def _is_verified(environ: dict[str, str]) -> bool:
    """Check the invariants. Hands that changed seconds ago are left alone by one reconciliation, mended by the next."""
    is_ok = bool(json.loads(run(environ, "verify", "--json").stdout)["ok"])
    if not is_ok:
        run(environ, "reconcile")
    return is_ok


def test_a_backup_under_way_sees_one_moment(
    environ: dict[str, str], engine: Engine, container: Container, used: list[int], file: Path,
    make_agent: Callable[..., int],
) -> None:  # fmt: skip
    """Tickets change hands while it is made: counters and tickets, in different tables, agree all the same."""
    bob, over = make_agent("bob"), threading.Event()

    def keep_dealing() -> None:
        while not over.is_set():
            for ticket in container.assignments.fetch(bob, limit=1).tickets:
                container.lifecycle.release(bob, ticket.id, reason="again")

    dealing = threading.Thread(target=keep_dealing)
    dealing.start()
    try:
        results = [run(environ, "backup", str(file.with_name(f"{n}.fairdeal"))) for n in range(3)]
    finally:
        over.set()
        dealing.join()
    assert [result.exit_code for result in results] == [0, 0, 0]
    with database_of(engine, "fairdeal_moment") as url:
        for n in range(3):
            there = environ | {"DATABASE_URL": url, "QUEUE_PREFIX": "moment"}
            assert run(there, "restore", str(file.with_name(f"{n}.fairdeal")), "--yes").exit_code == 0
            assert wait_until(partial(_is_verified, there), 60, pause_s=1)


def test_the_archive_is_in_a_backup_and_goes_on_after_a_restore(
    container: Container, environ: dict[str, str], engine: Engine, used: list[int], file: Path
) -> None:
    (sold,) = [row["id"] for row in rows(engine, "tickets") if row["status"] == "sold"]
    ann = next(row["id"] for row in rows(engine, "users") if row["username"] == "ann")
    closed = container.assignments.held(ann).tickets[0].id
    container.lifecycle.resolve(ann, closed)
    container.lifecycle.close(ann, closed)
    grow_old(engine, [sold, closed])
    assert archive(container).tickets == 2
    assert run(environ, "backup", str(file)).exit_code == 0
    with database_of(engine, "fairdeal_archived") as url:
        there = environ | {"DATABASE_URL": url, "QUEUE_PREFIX": "archived"}
        assert run(there, "restore", str(file), "--yes").exit_code == 0
        found = create_engine(url)
        for table in ("archived_tickets", "archived_ticket_events", "sweeps"):
            assert rows(found, table) == rows(engine, table), table
            assert rows(found, table), table
        assert "in the archive" not in run(there, "explain", str(used[-1])).output
        assert "It went to the archive at " in run(there, "explain", str(sold)).output
        built = build_container(load(there))
        try:
            built.lifecycle.reopen(closed, actor_id=None)
        finally:
            built.close()
        assert wait_until(partial(_is_verified, there), 60, pause_s=1)
        found.dispose()


def test_an_older_backup_goes_into_an_empty_database_and_is_brought_up_to_date(
    environ: dict[str, str], engine: Engine, file: Path, used: list[int]
) -> None:
    older = sorted(migrate.revisions())[-2]
    with database_of(engine, "fairdeal_older") as url:
        old = create_engine(url)
        migrate.upgrade(old, older)
        with old.begin() as connection:
            connection.execute(text("INSERT INTO users (username, role, password_hash) VALUES ('zoe', 'admin', '!')"))
        old.dispose()
        assert run(environ | {"DATABASE_URL": url}, "backup", str(file)).exit_code == 0
    refused = run(environ, "restore", str(file), "--yes")
    assert refused.exit_code == 1
    assert "restore into an empty database" in refused.stderr
    with database_of(engine, "fairdeal_empty") as url:
        there = environ | {"DATABASE_URL": url, "QUEUE_PREFIX": "older"}
        assert run(there, "restore", str(file)).exit_code == 0
        new = create_engine(url)
        assert [row["username"] for row in rows(new, "users")] == ["zoe"]
        with new.connect() as connection:
            assert migrate.current(connection) == migrate.head()
        new.dispose()


def test_a_backup_of_a_newer_version_is_refused(
    environ: dict[str, str], engine: Engine, used: list[int], file: Path, tmp_path: Path
) -> None:
    run(environ, "backup", str(file))
    newer = tmp_path / "newer.fairdeal"
    with zipfile.ZipFile(file) as whole, zipfile.ZipFile(newer, "w") as copy:
        for name in whole.namelist():
            content = whole.read(name)
            copy.writestr(
                name, content.replace(str(migrate.head()).encode(), b"9999") if "manifest" in name else content
            )
    result = run(environ, "restore", str(newer), "--yes")
    assert result.exit_code == 1
    assert "a newer one wrote it" in result.stderr


def test_without_redis_the_restore_says_what_is_left_to_do(
    environ: dict[str, str], engine: Engine, used: list[int], file: Path
) -> None:
    run(environ, "backup", str(file))
    result = run(environ | {"REDIS_URL": "redis://127.0.0.1:1/0"}, "restore", str(file), "--yes")
    assert result.exit_code == 0
    assert "fairdeal queue rebuild" in result.stderr
