"""A process without a port shows by a file that it lives."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from rq import Worker

from service.domain.errors import QueueUnavailable
from tests.unit.workers.test_clock import Scripted, Waits
from workers.clock import run_clock
from workers.pulse import STILL_S, Pulse, look
from workers.worker import PatientWorker

ROOT = Path(__file__).parents[3]


def test_a_process_that_beats_lives(tmp_path: Path) -> None:
    pulse = Pulse(tmp_path / "var", "worker")
    pulse.beat()
    assert look(pulse, time.time()) is None


def test_a_process_that_has_been_still_for_long_does_not(tmp_path: Path) -> None:
    pulse = Pulse(tmp_path, "worker")
    pulse.beat()
    assert look(pulse, time.time() + 2 * STILL_S) == f"worker has been still for {2 * STILL_S:.0f} s"


def test_a_process_that_has_not_begun_does_not(tmp_path: Path) -> None:
    assert "has not begun" in (look(Pulse(tmp_path, "clock"), time.time()) or "")


def test_a_disk_that_takes_nothing_ends_nobody(tmp_path: Path) -> None:
    (tmp_path / "pulse").write_text("in the way")
    Pulse(tmp_path, "clock").beat()


def test_the_clock_beats_whatever_becomes_of_a_tick() -> None:
    beats: list[None] = []
    stop = Waits()
    run_clock(Scripted(stop, QueueUnavailable("away"), 1.0), stop, lambda: beats.append(None))
    assert len(beats) == 2


def test_a_worker_beats_before_it_asks_redis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(Worker, "heartbeat", away)
    worker = PatientWorker.__new__(PatientWorker)
    worker.pulse = Pulse(tmp_path, "worker")
    with pytest.raises(ConnectionError):
        worker.heartbeat()
    assert look(worker.pulse, time.time()) is None


@pytest.mark.parametrize("beating", [True, False])
def test_the_command_says_whether_it_lives(tmp_path: Path, *, beating: bool) -> None:
    if beating:
        Pulse(tmp_path, "clock").beat()
    environ = {
        "DATABASE_URL": "postgresql://fairdeal:a-long-enough-secret@127.0.0.1/fairdeal",
        "REDIS_URL": "redis://:a-long-enough-secret@127.0.0.1/0", "JWT_SECRET_KEY": "f3b1c5d7" * 8,
        "VAR_DIR": str(tmp_path), "WEAK_SECRETS": "allowed",
    }  # fmt: skip
    found = subprocess.run([sys.executable, "-m", "workers.pulse", "clock"], cwd=ROOT, env=environ, check=False)
    assert found.returncode == (0 if beating else 1)
