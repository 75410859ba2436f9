"""Children: stopped in bounded time, and not outliving us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import child
from scripts.waiting import wait_until

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True); time.sleep(600)"
)
ROOT = Path(__file__).resolve().parents[3]


def start(code: str, tmp_path: Path) -> child.Process:
    """Start a Python child and wait for the word that it is up."""
    process = child.spawn([sys.executable, "-c", code], environ=os.environ, cwd=tmp_path, output=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == b"up\n"
    return process


def test_child_that_heeds_its_signal_ends_by_it(tmp_path: Path) -> None:
    process = start("import time; print('up', flush=True); time.sleep(600)", tmp_path)
    assert child.stop(process, ((signal.SIGTERM, 30.0),)) == -signal.SIGTERM


def test_child_that_ignores_its_signals_is_killed(tmp_path: Path) -> None:
    process = start(STUBBORN, tmp_path)
    assert child.stop(process, ((signal.SIGTERM, 0.05), (signal.SIGTERM, 0.05))) == -signal.SIGKILL


def test_stop_of_an_ended_child_returns_its_status(tmp_path: Path) -> None:
    process = start("print('up', flush=True); raise SystemExit(3)", tmp_path)
    process.wait()
    assert child.stop(process, ((signal.SIGTERM, 30.0),)) == 3


def test_children_are_stopped_side_by_side_and_listened_to_meanwhile(tmp_path: Path) -> None:
    stubborn = [start(STUBBORN, tmp_path) for _ in range(2)]
    turns: list[int] = []
    child.stop_all([(one, ((signal.SIGTERM, 0.05),)) for one in stubborn], turn=lambda: turns.append(1))
    assert [one.returncode for one in stubborn] == [-signal.SIGKILL] * 2
    assert turns


def test_what_a_child_left_in_its_group_ends_with_it(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys; from pathlib import Path\n"
        "rest = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "Path('rest').write_text(str(rest.pid)); print('up', flush=True)"
    )
    process = start(code, tmp_path)
    process.wait()
    child.stop(process, ())
    assert wait_until(lambda: not is_running(int((tmp_path / "rest").read_text())), 10)


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    code = (
        "import os, subprocess, sys, time; from pathlib import Path; from scripts import child\n"
        "one = child.spawn([sys.executable, '-c', 'import time; time.sleep(600)'], environ=os.environ,"
        " cwd=Path('.'), output=subprocess.DEVNULL)\n"
        "Path('pid').write_text(str(one.pid)); print('up', flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    with parent.stdout:
        assert parent.stdout.readline() == b"up\n"
    pid = int((tmp_path / "pid").read_text())
    assert is_running(pid)
    parent.kill()
    parent.wait()
    assert wait_until(lambda: not is_running(pid), 10)


def is_running(pid: int) -> bool:
    """Say whether a process exists and is more than a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
