"""Ctrl-C at a moment when Python lets no exception through."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.benchmark.__main__ import _listen
from scripts.benchmark.measurement import Measurement
from scripts.benchmark.plan import Plan
from scripts.stop_request import StopRequestedError

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Finalised:
    """Sends itself a signal where exceptions are told and dropped."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def measurement(tmp_path: Path) -> Iterator[Measurement]:
    before = {number: signal.getsignal(number) for number in NUMBERS}
    made = Measurement(Plan(), [], output=tmp_path)
    _listen(made.stop)
    yield made
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_stop_whose_exception_was_dropped_comes_with_the_next_step(measurement: Measurement) -> None:
    finalised = Finalised()
    del finalised
    with pytest.raises(StopRequestedError):
        measurement.say("the next step")


def test_a_stop_ends_what_is_under_way_and_may_still_be_told(
    measurement: Measurement, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(StopRequestedError):
        os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT)  # a second one does not stop the stopping
    measurement.tell("stopped")
    assert capsys.readouterr().out.endswith("stopped\n")
