"""The command line on real servers, in process and, where it matters, as a process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from redis import Redis
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url

from service.bootstrap import Container
from service.cli import cli
from service.cli.setup import Setup
from service.config import Settings
from service.domain.model import Level, Priority, Role
from service.store import migrate
from service.ticket_queue.keys import Keys
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.demo import PASSWORD as DEMO_PASSWORD
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.people import UserFilter
from tests.conftest import PASSWORD

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(container: Container, environ: dict[str, str]) -> Callable[..., Result]:
    def invoke(*args: str, stdin: str = "") -> Result:
        return CliRunner().invoke(cli, args, obj=Setup(environ, container=container), input=stdin)

    return invoke


@pytest.fixture
def environ(settings: Settings) -> dict[str, str]:
    return {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "JWT_SECRET_KEY": settings.jwt_secret_key.get_secret_value(),
        "QUEUE_PREFIX": settings.queue_prefix,
        "REDIS_TIMEOUT_MS": str(settings.redis_timeout_ms),
    }


def process(environ: dict[str, str], *args: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "service", *args],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONWARNINGS": "error", **environ},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def finished(started: subprocess.Popen[str], stdin: str | None = None) -> tuple[int, str, str]:
    with started:
        out, err = started.communicate(stdin, timeout=60)
        return started.returncode, out, err


@pytest.fixture
def empty_database(database_url: str, worker_name: str) -> Iterator[str]:
    url = make_url(database_url)
    name = f"fairdeal_cli_{worker_name}"
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {name}"))
        yield url.set(database=name).render_as_string(hide_password=False)
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


def test_a_process_prepares_an_empty_database(
    environ: dict[str, str], empty_database: str, redis_client: Redis
) -> None:
    environ = environ | {"DATABASE_URL": empty_database, "ADMIN_USERNAME": "root"}
    status, out, err = finished(process(environ, "db", "current"))
    assert (status, out) == (1, "none\n")
    assert "fairdeal db upgrade" in err

    status, out, err = finished(process(environ, "prepare", "--demo"))
    assert (status, err) == (0, "")
    assert out.startswith(f"schema upgraded from nothing to {migrate.head()}\n")
    assert "\nadmin: root\ngenerated password: " in out
    assert "300 tickets made" in out
    assert DEMO_PASSWORD in out

    status, out, err = finished(process(environ, "prepare", "--demo"))
    assert (status, err) == (0, "")
    assert "the newest revision" in out
    assert "generated password" not in out
    assert " 0 tickets made" in out
    assert finished(process(environ, "db", "current"))[0] == 0


def test_postgresql_away_ends_a_process_without_a_traceback(environ: dict[str, str]) -> None:
    away = environ | {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    status, out, err = finished(process(away, "verify"))
    assert (status, out) == (1, "")
    assert err.startswith("Error: PostgreSQL did not answer")
    assert "refused" in err
    assert "Traceback" not in err


def test_a_user_is_created_and_can_sign_in(run: Callable[..., Result], container: Container) -> None:
    args = ("user", "create", "anna", "--role", "agent", "--level", "senior", "--capacity", "7", "--password-stdin")
    result = run(*args, "--email", "Anna@Example.com", stdin=f"{PASSWORD}\n")
    assert result.exit_code == 0, result.output
    assert PASSWORD not in result.output
    user = container.sessions.login("anna", PASSWORD, address=None).user
    agent = container.agents.get(user.id)
    assert (agent.level, agent.capacity, user.role) == (Level.SENIOR, 7, Role.AGENT)


def test_a_password_is_asked_for_twice_and_not_shown(run: Callable[..., Result], container: Container) -> None:
    result = run("user", "create", "root", "--role", "admin", stdin=f"{PASSWORD}\n{PASSWORD}\n")
    assert result.exit_code == 0, result.output
    assert PASSWORD not in result.output
    assert container.sessions.login("root", PASSWORD, address=None)


def test_a_weak_password_and_a_taken_name_are_refused_in_words(run: Callable[..., Result]) -> None:
    args = ("user", "create", "root", "--role", "operator", "--password-stdin")
    weak = run(*args, stdin="short\n")
    assert (weak.exit_code, weak.stderr.startswith("Error: password: must have at least")) == (1, True)
    assert run(*args, stdin=PASSWORD).exit_code == 0
    taken = run(*args, stdin=PASSWORD)
    assert taken.exit_code == 1
    assert len(taken.stderr.splitlines()) == 1


def test_a_generated_password_is_printed_once_and_works(run: Callable[..., Result], container: Container) -> None:
    result = run("user", "create", "root", "--role", "admin", "--generate-password")
    password = result.output.split("generated password: ")[1].strip()
    assert container.sessions.login("root", password, address=None)
    changed = run("user", "set-password", "ROOT", "--generate-password").output.split("generated password: ")[1].strip()
    assert container.sessions.login("root", changed, address=None)


def test_ensure_admin_makes_the_first_admin_only(environ: dict[str, str], container: Container, engine: Engine) -> None:
    def invoke(**more: str) -> str:
        setup = Setup(environ | more, container=container)
        return CliRunner().invoke(cli, ("user", "ensure-admin"), obj=setup).output

    assert invoke(ADMIN_USERNAME="chief", ADMIN_PASSWORD=PASSWORD) == "admin: chief\n"
    assert container.sessions.login("chief", PASSWORD, address=None)
    assert invoke(ADMIN_USERNAME="other") == "admin: chief\n"
    told = invoke(ADMIN_PASSWORD="Another-1")
    assert told == "admin: chief\nADMIN_PASSWORD was not used: an admin exists\n"
    with engine.begin() as connection:
        connection.execute(text("UPDATE users SET is_active = false"))
    assert "generated password: " in invoke(ADMIN_USERNAME="other")


def test_users_are_listed_and_found_by_their_exact_name(
    run: Callable[..., Result], make_user: Callable[..., int], make_agent: Callable[..., int], container: Container
) -> None:
    make_user("chief")
    make_agent("ann")
    make_agent("annabel")
    agents = run("user", "list", "--role", "agent").output.splitlines()[1:]
    assert [line.split()[1] for line in agents] == ["ann", "annabel"]
    listed = json.loads(run("user", "list", "--json").output)
    assert [user["username"] for user in listed] == ["chief", "ann", "annabel"]
    assert "password" not in json.dumps(listed)
    assert run("user", "deactivate", "ann", stdin="n\n").exit_code == 1
    assert run("user", "deactivate", "ann", "--yes").output == "ann is deactivated\n"
    inactive = container.users.page(UserFilter(is_active=False), PageRequest()).items
    assert [user.username for user in inactive] == ["ann"]
    assert run("user", "activate", "ANN").exit_code == 0
    assert run("user", "deactivate", "an", "--yes").stderr == "Error: There is no user 'an'\n"
    assert run("user", "deactivate", "chief", "--yes").exit_code == 1


def test_queue_stats_hold_both_sides_against_each_other(
    run: Callable[..., Result], make_tickets: Callable[..., list[int]]
) -> None:
    make_tickets(3, "high")
    make_tickets(2, enqueue=False)
    state = json.loads(run("queue", "stats", "--json").output)
    assert state["trusted"] is True
    assert state["queued"] == {"high": 3, "medium": 0, "low": 0}
    assert state["open"] == {"high": 3, "medium": 2, "low": 0}
    assert state["open_claims"] == 0
    assert state["oldest_open_s"] >= 0
    shown = run("queue", "stats").output
    assert "medium         0     2" in shown
    assert "trusted: yes" in shown


def test_a_rebuild_makes_the_queue_what_it_should_be(
    run: Callable[..., Result], make_tickets: Callable[..., list[int]], redis_client: Redis, keys: Keys
) -> None:
    ids = make_tickets(50)
    redis_client.rpush(keys.queue(Priority.MEDIUM), "1", "x", "99")
    assert run("verify").exit_code == 1
    result = run("queue", "rebuild", "--yes")
    assert result.exit_code == 0, result.output
    assert "repaired       rebuilt 1" in result.output
    assert list(map(int, redis_client.lrange(keys.queue(Priority.MEDIUM), 0, -1))) == ids
    assert run("verify").exit_code == 0


def test_reconcile_reports_what_it_found_and_repaired(
    run: Callable[..., Result], make_tickets: Callable[..., list[int]], redis_client: Redis, keys: Keys
) -> None:
    make_tickets(5)
    redis_client.rpush(keys.queue(Priority.MEDIUM), 77)
    dry = json.loads(run("reconcile", "--dry-run", "--json").output)
    assert (dry["confirmed"], dry["repaired"], dry["dry_run"]) == ({"phantom": 1}, {}, True)
    shown = run("reconcile")
    assert shown.exit_code == 0
    assert "repaired       phantom 1" in shown.output
    assert redis_client.llen(keys.queue(Priority.MEDIUM)) == 5


def test_verify_shows_each_invariant_and_its_violations(
    run: Callable[..., Result], make_tickets: Callable[..., list[int]]
) -> None:
    make_tickets(2)
    good = json.loads(run("verify", "--json").output)
    assert good["ok"] is True
    assert len(good["invariants"]) == 12
    make_tickets(2, enqueue=False)
    bad = run("verify")
    assert bad.exit_code == 1
    assert "I5   VIOLATED 2" in bad.output
    assert "is open and missing from the medium queue" in bad.output
    assert run("verify", "--live").exit_code == 0


def test_a_process_imports_from_stdin_and_says_what_was_bad(
    environ: dict[str, str], queue: RedisTicketQueue, engine: Engine
) -> None:
    rows = "subject,priority\r\n" + "".join(f"Ticket {n},low\r\n" for n in range(1_500)) + "Bad,urgent\r\n"
    status, out, err = finished(process(environ, "import", "-", "--format", "csv"), rows)
    assert status == 1
    assert out == "1,500 tickets imported, 1 bad row left out\n"
    assert err == "line 1502: priority: must be high, medium or low\n"
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM tickets WHERE priority = 'low'")).scalar_one() == 1_500


def test_ctrl_c_tells_exactly_what_was_imported(
    environ: dict[str, str], queue: RedisTicketQueue, engine: Engine
) -> None:
    started = process(environ, "import", "-", "--format", "csv")
    with started, engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        assert started.stdin is not None
        started.stdin.write("subject\n" + "One\n" * 7_500)
        started.stdin.flush()
        deadline = time.monotonic() + 30
        while connection.execute(text("SELECT count(*) FROM tickets")).scalar_one() < 5_000:
            assert time.monotonic() < deadline
        started.send_signal(signal.SIGINT)
        _, err = started.communicate(timeout=30)
        assert started.returncode == 130
        assert err == "Interrupted: 5,000 tickets imported, up to line 5001\n"
        assert connection.execute(text("SELECT count(*) FROM tickets")).scalar_one() == 5_000


def test_an_import_without_redis_leaves_the_queueing_to_the_reconciler(
    environ: dict[str, str], engine: Engine, redis_client: Redis
) -> None:
    status, out, err = finished(
        process(environ | {"REDIS_URL": "redis://127.0.0.1:1/0"}, "import", "-", "--format", "ndjson"),
        '{"subject": "One"}\n',
    )
    assert (status, out, err) == (0, "1 ticket imported\n", "")
