"""Runs of the service that end with the test."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts.left_overs import left_overs
from tests.e2e.service_run import Run

Start = Callable[..., Run]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start runs that are gone at the end of the test, whatever happens in it."""
    started: list[Run] = []

    def begin(name: str = "data with a space", **environ: str) -> Run:
        run = Run(tmp_path / name, tmp_path / f"{name}.log", **environ)
        started.append(run)
        return run

    yield begin
    for run in started:
        if run.process.poll() is None:
            run.stop()
        for pid in left_overs(run.var_dir):
            os.kill(pid, signal.SIGKILL)
