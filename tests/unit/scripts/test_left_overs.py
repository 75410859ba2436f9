"""What an earlier start left behind is found, and nothing else is touched."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts import child, left_overs
from scripts.left_overs import TAG, forget_postmaster, stop_left_overs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks through /proc")

Start = Callable[..., child.Process]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start Python children that are gone at the end."""
    started: list[child.Process] = []

    def begin(cwd: Path, *, code: str = "", **environ: str) -> child.Process:
        process = child.spawn(
            [sys.executable, "-S", "-c", f"{code}\nprint('up', flush=True); import time; time.sleep(600)"],
            environ={**os.environ, **environ}, cwd=cwd, output=subprocess.PIPE,
        )  # fmt: skip
        started.append(process)
        assert process.stdout is not None
        with process.stdout:
            assert process.stdout.readline() == b"up\n"
        return process

    yield begin
    for process in started:
        child.stop(process, ())


def test_children_of_an_earlier_start_are_stopped(start: Start, tmp_path: Path) -> None:
    process = start(tmp_path, **{TAG: str(tmp_path)})
    assert stop_left_overs(tmp_path) == 1
    assert process.wait(10) < 0


def test_children_on_other_data_are_left_alone(start: Start, tmp_path: Path) -> None:
    process = start(tmp_path, **{TAG: f"{tmp_path}2"})
    assert stop_left_overs(tmp_path) == 0
    assert process.poll() is None


def test_shell_that_merely_stands_in_the_data_is_left_alone(start: Start, tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    process = start(tmp_path / "postgres")
    assert stop_left_overs(tmp_path) == 0
    assert process.poll() is None


def test_server_that_works_in_the_data_is_stopped(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(left_overs, "_SERVERS", frozenset({Path(os.path.realpath(sys.executable)).name}))
    (tmp_path / "valkey").mkdir()
    process = start(tmp_path / "valkey")
    assert stop_left_overs(tmp_path) == 1
    assert process.wait(10) < 0


def test_one_that_does_not_heed_is_killed(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(left_overs, "_PATIENCE_S", 0.2)
    ignoring = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    process = start(tmp_path, code=ignoring, **{TAG: str(tmp_path)})
    assert stop_left_overs(tmp_path) == 1
    assert process.wait(10) == -9


def test_process_id_file_of_postgres_is_forgotten(tmp_path: Path) -> None:
    (tmp_path / "postmaster.pid").write_text("1\n")
    forget_postmaster(tmp_path)
    forget_postmaster(tmp_path)
    assert not (tmp_path / "postmaster.pid").exists()
