"""What `./scripts/run` says and shows."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest

from scripts import data_servers, run_service
from scripts.closing_lines import closing_lines
from scripts.console import Console
from scripts.prepared import Prepared
from scripts.readiness import base_url
from scripts.service_parts import Service
from scripts.stop_request import StopRequest
from scripts.supervisor import Supervisor
from scripts.usage import usage
from service.config import Settings


def report(*lines: str) -> Prepared:
    prepared = Prepared()
    for line in lines:
        prepared.take(line)
    return prepared


def test_report_of_a_first_start_gives_the_generated_password() -> None:
    prepared = report("schema upgraded from nothing to 0001", "admin: root", "generated password: Ab1 c")
    assert prepared.login.startswith("root / Ab1 c ")


def test_report_of_a_later_start_points_to_the_first() -> None:
    assert report("schema is at 0001", "admin: root").login == "root, with the password of the first start"


def test_lines_that_are_no_report_are_left_to_be_shown() -> None:
    prepared = Prepared()
    assert [prepared.take(line) for line in ("schema is at 1", "admin: root", "demo: 10 made", "  ann  agent")] == [
        False, True, True, True,
    ]  # fmt: skip
    assert prepared.demo == ["demo: 10 made", "  ann  agent"]


def test_closing_lines_say_where_and_how() -> None:
    said = closing_lines(
        "http://h:1", Path("/data"), report("admin: root", "generated password: pw", "demo: ann / x"), elapsed_s=1.26
    )
    for words in ("ready after 1.3 s", "http://h:1/docs", "root / pw", "/data/log", "  demo: ann / x"):
        assert words in said


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("fe80::1", "http://[fe80::1]:80"),
        ("desk.example", "http://desk.example:80"),
    ],
)
def test_url_is_one_that_can_be_opened(host: str, url: str) -> None:
    assert base_url(host, 80) == url


def test_help_tells_every_variable_and_its_default() -> None:
    text = usage()
    for name in Settings.model_fields:
        assert f"\n  {name.upper()} " in text
    assert "[default: 8000]" in text
    assert max(map(len, text.splitlines())) <= 112


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:secret@db.example:5433/x", "db.example:5433"),
        ("redis://:secret@cache/0", "cache"),
        ("unix:///run/redis.sock", "local"),
        ("redis+sentinel://:secret@a:1,b:2/main/0", "a:1,b:2"),
        ("nothing of the kind", "local"),
    ],
)
def test_given_servers_are_named_without_secrets(url: str, shown: str) -> None:
    assert data_servers._where(url) == shown


def test_same_data_get_the_same_port() -> None:
    first = data_servers._usual_port(Path("/a"), "postgres", 8000)
    assert first == data_servers._usual_port(Path("/a"), "postgres", 8000)
    assert first != data_servers._usual_port(Path("/a"), "postgres", first)


def test_log_that_has_grown_is_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_servers, "_LARGEST_LOG", 3)
    (tmp_path / "postgres.log").write_text("long")
    assert not data_servers._log(tmp_path, "postgres").exists()
    assert (tmp_path / "postgres.log.1").read_text() == "long"


@pytest.mark.parametrize("arguments", [["--dmeo"], ["start"], ["--demo", "x"]])
def test_unknown_arguments_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_service.main(arguments) == 2
    assert arguments[-1] in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EADDRINUSE, "another program has the port"),
        (errno.EADDRNOTAVAIL, "HOST is no address"),
        (errno.EACCES, "below 1024"),
        (errno.ENOBUFS, "No buffer space"),
    ],
)
def test_reason_against_listening_is_told(number: int, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(run_service, "try_listening", refuse)
    settings = Settings(database_url="postgresql://x", redis_url="redis://x", jwt_secret_key="0123456789abcdef" * 2)
    with pytest.raises(run_service.PortTakenError, match=words):
        run_service._require_port(settings)


def test_a_password_that_was_not_used_is_told_at_the_end() -> None:
    said = closing_lines(
        "http://h:1", Path("/data"), report("admin: root", "ADMIN_PASSWORD was not used: an admin exists"), elapsed_s=1
    )
    assert "\n  ADMIN_PASSWORD was not used: an admin exists\n" in said
    assert "not used" not in closing_lines("http://h:1", Path("/data"), report("admin: root"), elapsed_s=1)


def test_the_command_line_gets_every_setting_of_the_run_and_none_of_its_shell(tmp_path: Path) -> None:
    settings = Settings(database_url="postgresql://x", redis_url="redis://x", jwt_secret_key="0123456789abcdef" * 2)
    console = Console()
    given = {name.upper(): f"it's {name} $HOME" for name in Settings.model_fields if name != "claim_lease_s"}
    service = Service(tmp_path, settings, tmp_path, console, Supervisor(console), StopRequest(), given)
    service._write_run_env()
    assert (tmp_path / "run.env").stat().st_mode & 0o777 == 0o600
    printed = subprocess.run(
        ["/bin/sh", "-c", "set -a; . ./run.env; exec env -0"],
        env={"CLAIM_LEASE_S": "99"}, cwd=tmp_path, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    seen = dict(line.split("=", 1) for line in printed.split("\0") if line)
    expected = {name: value for name, value in given.items() if name != "ADMIN_PASSWORD"} | {"CLAIM_LEASE_S": ""}
    assert {name: seen.get(name) for name in expected} == expected
    assert "ADMIN_PASSWORD" not in seen


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("/dev/null", "/dev/null is no directory"),
        ("/dev/null/below", "/dev/null is no directory"),
        ("/" + "x" * 300, "name too long"),
        ("~nobody-of-that-name/var", "home directory of somebody unknown"),
    ],
)
def test_an_unusable_directory_is_told_with_the_other_variables(
    name: str, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VAR_DIR", name)
    monkeypatch.setenv("PORT", "0")
    assert run_service.main([]) == 2
    said = capsys.readouterr().err
    assert "  PORT: must be a whole number from 1 to 65535" in said
    assert "  VAR_DIR: must " in said
    assert words in said
    monkeypatch.delenv("PORT")
    assert run_service.main([]) == 2
    assert words in capsys.readouterr().err


def test_a_directory_that_is_still_to_be_made_is_good_and_not_made_by_asking(tmp_path: Path) -> None:
    assert run_service._against_directory(str(tmp_path / "new" / "deep")) is None
    assert list(tmp_path.iterdir()) == []
