"""Starting again what ends: how soon, how often, in which order all stops."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts import child
from scripts.console import Console
from scripts.supervisor import Part, Supervisor
from scripts.waiting import wait_until


class Clock:
    """A clock that stands still until told otherwise."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Stage:
    """A supervisor of parts that live until they are killed."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.output = tempfile.TemporaryFile()  # noqa: SIM115 - the fixture closes it
        self.supervisor = Supervisor(Console(self.output.fileno()), clock=self.clock)
        self.started: dict[str, list[child.Process]] = {}

    def add(self, name: str, *, code: str = "import time; time.sleep(600)", stage: int = 0) -> None:
        def spawn() -> child.Process:
            process = child.spawn(
                [sys.executable, "-S", "-c", code], environ=os.environ, cwd=Path("/"), output=subprocess.DEVNULL
            )
            self.started.setdefault(name, []).append(process)
            return process

        self.supervisor.add(Part(name, spawn, ((signal.SIGTERM, 10.0),), stage=stage))

    def crash(self, name: str) -> None:
        """Kill a part and let the supervisor see it."""
        process = self.started[name][-1]
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        self.supervisor.turn(0)

    def pass_time(self, seconds: float) -> None:
        self.clock.now += seconds
        self.supervisor.turn(0)

    @property
    def said(self) -> str:
        self.output.seek(0)
        return self.output.read().decode()


def is_running(pid: int) -> bool:
    """Say whether a process exists and is more than a zombie."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return state.strip() != "" and not state.startswith("Z")


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A stage that is cleared at the end."""
    one = Stage()
    yield one
    one.supervisor.stop()
    one.output.close()


def test_crashed_part_starts_again_after_half_a_second(stage: Stage) -> None:
    stage.add("web")
    stage.crash("web")
    stage.pass_time(0.4)
    assert len(stage.started["web"]) == 1
    stage.pass_time(0.2)
    assert len(stage.started["web"]) == 2
    assert "web    | ended with signal SIGKILL; starts again in 0.5 s" in stage.said


def test_pause_doubles_up_to_half_a_minute(stage: Stage) -> None:
    stage.add("web")
    for pause_s in (0.5, 1, 2, 4, 8, 16, 30, 30):
        stage.crash("web")
        starts = len(stage.started["web"])
        stage.pass_time(pause_s - 0.01)
        assert len(stage.started["web"]) == starts
        stage.pass_time(0.02)
        assert len(stage.started["web"]) == starts + 1


def test_pause_is_short_again_after_half_a_minute_of_health(stage: Stage) -> None:
    stage.add("web")
    for _ in range(4):
        stage.crash("web")
        stage.pass_time(29)
    assert stage.supervisor.failures("web") == 4
    stage.pass_time(30)
    stage.crash("web")
    assert stage.supervisor.failures("web") == 1


def test_failures_in_a_row_are_counted_for_each_part(stage: Stage) -> None:
    stage.add("web")
    stage.add("clock")
    for _ in range(3):
        stage.crash("web")
        stage.pass_time(10)
    assert (stage.supervisor.failures("web"), stage.supervisor.failures("clock")) == (3, 0)


def test_lower_stages_are_stopped_first(stage: Stage, tmp_path: Path) -> None:
    note = (
        "import signal, sys, time; from pathlib import Path\n"
        f"log = Path({str(tmp_path / 'log')!r})\n"
        "def end(*_):\n"
        "    with log.open('a') as f: f.write(name + '\\n')\n"
        "    sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\n"
        f"Path({str(tmp_path)!r}, name).touch()\n"
        "time.sleep(600)"
    )
    for name, number in (("database", 2), ("queue", 1), ("web", 0)):
        stage.add(name, code=f"name = {name!r}\n{note}", stage=number)
    assert wait_until(lambda: len(list(tmp_path.iterdir())) == 3, 30)
    stage.supervisor.stop()
    assert (tmp_path / "log").read_text().split() == ["web", "queue", "database"]


def test_what_is_left_of_a_crashed_part_is_out_of_the_way_of_the_next(stage: Stage, tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time; from pathlib import Path\n"
        f"place = Path({str(tmp_path)!r})\n"
        "rest = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(600)'])\n"
        "(place / 'draft').write_text(str(rest.pid)); (place / 'draft').rename(place / 'rest'); time.sleep(600)"
    )
    stage.add("web", code=code)
    assert wait_until((tmp_path / "rest").exists, 30)
    stage.crash("web")
    assert wait_until(lambda: not is_running(int((tmp_path / "rest").read_text())), 10)


def test_nothing_starts_again_after_the_stop(stage: Stage) -> None:
    stage.add("web")
    stage.supervisor.stop()
    stage.pass_time(100)
    assert len(stage.started["web"]) == 1
    assert stage.started["web"][0].returncode == -signal.SIGTERM
