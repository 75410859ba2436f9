"""`./scripts/run` as a person runs it: the real script, real servers, real signals."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg2
import pytest
import redis

from scripts.left_overs import left_overs
from scripts.ports import free_port
from scripts.throwaway import servers
from tests.e2e.service_run import PARTS, READY_S, ROOT, STOP_S, Run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc"),
]

Start = Callable[..., Run]


def _gone(var_dir: Path) -> bool:
    return not list(left_overs(var_dir))


def test_run_starts_everything_and_stops_all_of_it_on_sigterm(start: Start) -> None:
    run = start().ready()
    assert set(run.parts()) == set(PARTS)
    assert f"http://127.0.0.1:{run.port}" in run.said
    assert re.search(r"Log in +admin / \S+", run.said)
    assert run.stop() == 0
    assert _gone(run.var_dir)
    assert not (run.var_dir / "run.env").exists()


def test_secrets_are_readable_by_their_owner_alone_and_never_printed(start: Start) -> None:
    run = start().ready()
    for name in ("secrets.json", "run.env"):
        assert (run.var_dir / name).stat().st_mode & 0o077 == 0
    environ = run.kept()
    secrets = [environ["JWT_SECRET_KEY"], *re.findall(r":([0-9a-f]{20,})@", " ".join(environ.values()))]
    assert len(secrets) == 3
    commands = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert not [secret for secret in secrets if secret in run.said or secret in commands]


def test_second_run_on_the_same_data_is_refused_and_harms_nothing(start: Start) -> None:
    first = start().ready()
    second = start(PORT=str(free_port()))
    assert second.process.wait(READY_S) == 1
    assert f"process {first.process.pid}" in second.said
    assert f"http://127.0.0.1:{first.port}" in second.said
    assert first.is_ready()


def test_port_of_another_program_is_refused_before_anything_starts(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        run = start(PORT=str(other.getsockname()[1]))
        assert run.process.wait(READY_S) == 1
    assert "another program has the port" in run.said
    assert not (run.var_dir / "postgres").exists()


def test_wrong_variables_are_named_all_at_once(start: Start) -> None:
    run = start(PORT="99999", LOG_LEVEL="loud", DATABASE_URL="mysql://x", JWT_SECRET_KEY="short")
    assert run.process.wait(READY_S) == 2
    assert [name for name in ("PORT:", "LOG_LEVEL:", "DATABASE_URL:", "JWT_SECRET_KEY:") if name not in run.said] == []
    assert not run.var_dir.exists()


def test_unknown_argument_is_refused() -> None:
    done = subprocess.run([ROOT / "scripts" / "run", "--dmeo"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "--dmeo" in done.stderr


def test_data_are_kept_for_the_next_run(start: Start) -> None:
    first = start().ready()
    environ = first.kept()
    with contextlib.closing(psycopg2.connect(environ["DATABASE_URL"])) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kept (word text); INSERT INTO kept VALUES ('kept')")
        connection.commit()
    with contextlib.closing(redis.Redis.from_url(environ["REDIS_URL"])) as client:
        client.set("kept", "kept")
    assert first.stop(signal.SIGINT) == 0

    second = start().ready()
    assert second.kept()["JWT_SECRET_KEY"] == environ["JWT_SECRET_KEY"]
    environ = second.kept()
    with contextlib.closing(psycopg2.connect(environ["DATABASE_URL"])) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT word FROM kept")
        assert cursor.fetchall() == [("kept",)]
    with contextlib.closing(redis.Redis.from_url(environ["REDIS_URL"])) as client:
        assert client.get("kept") == b"kept"
    assert "shown only this once" not in second.said


def test_crashed_parts_are_started_again(start: Start) -> None:
    run = start().ready()
    before = run.parts()
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    run.until(
        lambda: set(run.parts()) == set(PARTS) and not set(run.parts().values()) & set(before.values()),
        "the start of new processes",
    )
    run.until(run.is_ready, "readiness after the crash")
    assert run.stop() == 0
    assert _gone(run.var_dir)


def test_killed_runner_takes_everything_along_and_the_next_run_starts(start: Start) -> None:
    first = start().ready()
    first.process.kill()
    first.process.wait()
    first.until(lambda: _gone(first.var_dir), "the end of all parts")
    second = start(PORT=str(first.port)).ready()
    assert second.stop() == 0
    assert _gone(second.var_dir)


def test_postgres_left_without_its_postmaster_does_not_block_the_next_run(start: Start) -> None:
    first = start().ready()
    parts = first.parts()
    first.process.kill()
    for pid in parts.values():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    first.process.wait()
    start(PORT=str(first.port)).ready()


@pytest.mark.parametrize("word", ["making a PostgreSQL", "answers on port", "web    |"])
def test_stop_during_set_up_leaves_nothing(start: Start, word: str) -> None:
    run = start()
    run.until(lambda: word in run.said, word)
    run.process.send_signal(signal.SIGTERM)
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(STOP_S) == 0
    assert _gone(run.var_dir)


def test_given_servers_are_used_and_left_running(start: Start) -> None:
    with servers() as given:
        run = start(DATABASE_URL=given.database_url, REDIS_URL=given.redis_url).ready()
        assert set(run.parts()) == {"web", "worker", "messenger", "clock"}
        assert not (run.var_dir / "postgres").exists()
        assert given.database_url not in run.said
        assert run.stop() == 0
        psycopg2.connect(given.database_url).close()


def test_unreachable_given_database_is_named_without_its_password(start: Start) -> None:
    run = start(DATABASE_URL=f"postgresql://fairdeal:mypassword@127.0.0.1:{free_port()}/fairdeal")
    assert run.process.wait(READY_S) == 1
    assert "DATABASE_URL cannot be used" in run.said
    assert "mypassword" not in run.said
    assert _gone(run.var_dir)


def test_help_names_every_variable() -> None:
    done = subprocess.run([ROOT / "scripts" / "run", "--help"], capture_output=True, text=True, timeout=60, check=True)
    for name in ("DATABASE_URL", "REDIS_URL", "VAR_DIR", "PORT", "ADMIN_PASSWORD", "CLAIM_LEASE_S"):
        assert f"  {name} " in done.stdout
