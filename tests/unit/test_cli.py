"""The command line without servers: usage, environment, and how failures end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from service import __version__
from service.cli import cli
from service.cli.printing import counts, print_json, print_table
from service.cli.setup import Setup
from service.domain.errors import Conflict, QueueUnavailable, SchemaBusy, StoreUnavailable
from service.domain.model import Priority
from service.domain.wording import duration
from service.usecases.invariants import InvariantResult
from service.usecases.ports.reconcile import Reconciliation, RunStatus, Tier
from service.usecases.queue_stats import QueueState
from tests.fakes.clock import FakeClock

ROOT = Path(__file__).parents[2]
GOOD = {
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "JWT_SECRET_KEY": "a key that is good enough for tests",
    "STATEMENT_TIMEOUT_MS": "100",
}


def run(*args: str, parts: Any = None, environ: dict[str, str] | None = None, stdin: str | bytes = "") -> Result:
    clock = FakeClock()
    setup = Setup(GOOD if environ is None else environ, container=parts, clock=clock, sleep=clock.sleep)
    return CliRunner().invoke(cli, args, obj=setup, input=stdin)


def commands(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name, command in group.commands.items():
        found.append((*path, name))
        if isinstance(command, click.Group):
            found += commands(command, (*path, name))
    return found


@pytest.mark.parametrize("path", commands(cli), ids=" ".join)
def test_every_command_explains_itself_without_an_environment(path: tuple[str, ...]) -> None:
    result = run(*path, "--help", environ={})
    assert result.exit_code == 0
    assert result.output.startswith("Usage:")


@pytest.mark.parametrize("path", [path for path in commands(cli) if path != ("prepare",)], ids=" ".join)
def test_every_command_that_does_something_shows_an_example_of_itself(path: tuple[str, ...]) -> None:
    result = run(*path, "--help", environ={})
    assert "Commands:" in result.output or f"fairdeal {' '.join(path)}" in result.output.split("Example")[1]


def test_version_is_the_one_the_project_is_released_under() -> None:
    assert run("--version").output == f"fairdeal, version {__version__}\n"
    assert f'\nversion = "{__version__}"\n' in (ROOT / "pyproject.toml").read_text()


def test_a_wrong_environment_names_every_bad_variable_at_once() -> None:
    result = run("queue", "stats", environ={"DATABASE_URL": "mysql://x", "REDIS_URL": "http://x", "PORT": "no"})
    assert result.exit_code == 2
    assert result.stdout == ""
    for name in ("DATABASE_URL", "REDIS_URL", "JWT_SECRET_KEY", "PORT"):
        assert f"  {name}: " in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "args",
    [
        ("nonsense",),
        ("user", "create", "ann"),
        ("user", "create", "ann", "--role", "king"),
        ("user", "create", "ann", "--role", "admin", "--level", "senior"),
        ("user", "create", "ann", "--role", "agent", "--capacity", "16"),
        ("user", "create", "ann", "--role", "admin", "--password-stdin", "--generate-password"),
        ("user", "create", "ann", "--role", "admin", "--password-stdin"),
        ("import", "no such file.csv"),
        ("import", "-"),
        ("reconcile", "--tier", "slow"),
        ("verify", "--wait", "-1"),
        ("explain", "0"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_status_2(args: tuple[str, ...]) -> None:
    result = run(*args, parts=SimpleNamespace())
    assert result.exit_code == 2
    assert "Usage:" in result.stderr


def test_a_password_on_stdin_that_is_no_text_is_refused() -> None:
    args = ("user", "create", "ann", "--role", "admin", "--password-stdin")
    result = run(*args, parts=SimpleNamespace(), stdin=b"\xff\xfe\n")
    assert result.exit_code == 2
    assert "not valid UTF-8" in result.stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("queue", "stats"), "Error: PostgreSQL did not answer"),
        (("verify",), "Error: PostgreSQL did not answer"),
        (("reconcile",), "Error: PostgreSQL did not answer"),
        (("user", "list"), "Error: PostgreSQL did not answer"),
        (("demo",), "Error: PostgreSQL did not answer"),
        (("explain", "7"), "Error: PostgreSQL did not answer"),
        (("db", "current"), "Error: PostgreSQL did not answer"),
        (("queue", "rebuild", "--yes"), "Error: The queue did not answer"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_servers_that_are_away_end_in_one_sentence_with_the_reason(args: tuple[str, ...], words: str) -> None:
    result = run(*args)
    assert result.exit_code == 1
    assert result.stderr.startswith(words)
    assert "refused" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_upgrade_waits_for_postgresql_to_come_up(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Any] = [_away("connection refused"), _away("the database system is starting up"), (None, "0001")]
    monkeypatch.setattr("service.wiring.schema.upgrade_schema", lambda settings: _next(answers))
    result = run("db", "upgrade")
    assert result.output == "schema upgraded from nothing to 0001\n"
    assert answers == []


def test_upgrade_does_not_wait_where_waiting_will_not_help(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Any] = [_away("FATAL: password authentication failed"), (None, "0001")]
    monkeypatch.setattr("service.wiring.schema.upgrade_schema", lambda settings: _next(answers))
    result = run("db", "upgrade")
    assert result.exit_code == 1
    assert "password authentication failed" in result.stderr


def _away(reason: str) -> StoreUnavailable:
    error = StoreUnavailable("PostgreSQL did not answer")
    error.__cause__ = OSError(reason)
    return error


def _next(answers: list[Any]) -> Any:
    answer = answers.pop(0)
    if isinstance(answer, Exception):
        raise answer
    return answer


def test_upgrade_tries_again_while_others_keep_a_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Any] = [SchemaBusy("It gave up"), SchemaBusy("It gave up"), ("0001", "0002")]
    monkeypatch.setattr("service.wiring.schema.upgrade_schema", lambda settings: _next(answers))
    result = run("db", "upgrade")
    assert result.stdout == "schema upgraded from 0001 to 0002\n"
    assert result.stderr.splitlines()[0] == "It gave up. Trying again in 5 s, 29 more times"


def test_upgrade_says_why_when_it_never_gets_its_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Any] = [SchemaBusy("It gave up")] * 30
    monkeypatch.setattr("service.wiring.schema.upgrade_schema", lambda settings: _next(answers))
    result = run("db", "upgrade")
    assert (result.exit_code, answers) == (1, [])
    assert result.stderr.splitlines()[-1] == "Error: It gave up"


def test_upgrade_gives_up_after_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[float] = []

    def refuse(_: Any) -> None:
        tries.append(0)
        raise _away("connection refused")

    monkeypatch.setattr("service.wiring.schema.upgrade_schema", refuse)
    assert run("db", "upgrade").exit_code == 1
    assert len(tries) == 51


def test_upgrade_that_had_nothing_to_do_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.wiring.schema.upgrade_schema", lambda settings: ("0001", "0001"))
    assert run("db", "upgrade").output == "schema is at 0001, the newest revision\n"


def test_a_fact_from_the_core_becomes_a_sentence() -> None:
    def refuse(**_: Any) -> None:
        raise Conflict("Another reconciliation has taken over")

    result = run("reconcile", parts=SimpleNamespace(reconciler=SimpleNamespace(run=refuse)))
    assert (result.exit_code, result.stderr) == (1, "Error: Another reconciliation has taken over\n")


@pytest.mark.parametrize(("status", "exit_code"), [(RunStatus.DONE, 0), (RunStatus.SKIPPED, 1), (RunStatus.FAILED, 1)])
def test_a_run_that_did_not_take_place_is_a_failure(status: RunStatus, exit_code: int) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    record = Reconciliation(
        id=7, tier=Tier.FULL, trigger="cli", dry_run=False, status=status, requested_by=None, requested_at=at,
        started_at=at, finished_at=at + timedelta(seconds=2), found={"missing": 3}, confirmed={}, repaired={},
        false_candidates={}, rows_compared=12_345, oldest_drift_ms=1_500, error="Held by somebody",
    )  # fmt: skip
    result = run("reconcile", parts=SimpleNamespace(reconciler=SimpleNamespace(run=lambda **_: record)))
    assert result.exit_code == exit_code
    shown = f"run 7: full {status} in 2.0 s\n  rows compared  12,345\n  found          missing 3"
    assert result.stdout.startswith(shown)
    assert result.stderr == ("" if exit_code == 0 else f"Error: The run was {status}: Held by somebody\n")


def _invariants(*ok: bool | None, informational: bool = False) -> Any:
    answers = [
        (InvariantResult(code="I5", title="Order", ok=one, violations=int(not one), examples=("ticket 7 is missing",),
                         informational=informational),)
        for one in ok
    ]  # fmt: skip
    return SimpleNamespace(invariants=SimpleNamespace(check=lambda at_rest: answers.pop(0)))


@pytest.mark.parametrize(
    ("ok", "informational", "status"), [(True, False, 0), (False, False, 1), (None, False, 1), (None, True, 0)]
)
def test_verify_is_content_only_if_all_hold(ok: bool | None, informational: bool, status: int) -> None:
    assert run("verify", parts=_invariants(ok, informational=informational)).exit_code == status


def test_verify_waits_for_as_long_as_it_is_told() -> None:
    assert run("verify", "--wait", "60", parts=_invariants(False, False, True)).exit_code == 0
    assert run("verify", "--wait", "0.7", parts=_invariants(False, False, False, True)).exit_code == 1
    assert run("verify", parts=_invariants(False, True)).exit_code == 1


def test_stats_show_postgresql_while_redis_is_away() -> None:
    state = QueueState(
        trusted=None, queued=None, open_claims=None, open=dict.fromkeys(Priority, 4), oldest_open_s=7_300
    )
    result = run("queue", "stats", parts=SimpleNamespace(queue_stats=SimpleNamespace(read=lambda: state)))
    assert result.exit_code == 1
    assert "longest wait: 2 h" in result.stdout
    assert result.stderr == "Error: Redis did not answer; what is shown is PostgreSQL's side alone\n"


def test_rebuild_asks_first() -> None:
    def rebuild(**_: Any) -> None:
        raise QueueUnavailable("reached")

    parts = SimpleNamespace(queue_rebuild=SimpleNamespace(run=rebuild))
    assert "reached" not in run("queue", "rebuild", parts=parts, stdin="n\n").output
    assert "reached" in run("queue", "rebuild", parts=parts, stdin="y\n").output


def test_openapi_needs_no_server_and_no_environment(tmp_path: Path) -> None:
    printed = run("openapi", environ={})
    assert printed.exit_code == 0, printed.output
    assert '"openapi": "3.1' in printed.stdout
    path = tmp_path / "openapi.json"
    assert run("openapi", "--output", str(path), environ={}).stdout == ""
    assert path.read_text() == printed.stdout
    refused = run("openapi", "--output", str(tmp_path / "none" / "x.json"), environ={})
    assert (refused.exit_code, "cannot be written" in refused.stderr) == (1, True)


def test_tables_are_as_wide_as_they_need_to_be(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["name", "held"], [["ann", 3], ["benedikt", 15]])
    assert capsys.readouterr().out == "name      held\nann          3\nbenedikt    15\n"
    print_table(["name"], [])
    assert capsys.readouterr().out == "name\n"


def test_json_shows_dataclasses_and_enumerations_by_their_values(capsys: pytest.CaptureFixture[str]) -> None:
    print_json(QueueState(trusted=True, queued={Priority.LOW: 1}, open_claims=0, open={}, oldest_open_s=None))
    assert '"queued": {\n    "low": 1\n  }' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7_200, "2 h"), (200_000, "2 d")]
)
def test_durations_are_worded_roughly(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_counts_leave_out_zeros() -> None:
    assert counts({"missing": 3, "phantom": 0, "poison": 1_200}) == "missing 3, poison 1,200"
    assert counts({}) == "nothing"
