"""A horse that stays: one process for many jobs, until something about it has changed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest

from workers import steady_horse
from workers.steady_horse import SteadyHorse, Work


@pytest.fixture
def hire() -> Iterator[Callable[..., SteadyHorse]]:
    hired: list[SteadyHorse] = []

    def one(work: Work, leave: Callable[[], None] = lambda: None) -> SteadyHorse:
        hired.append(SteadyHorse(work, leave=leave))
        return hired[-1]

    yield one
    for horse in hired:
        horse.let_go()


@pytest.fixture
def diary(tmp_path: Path) -> Path:
    return tmp_path / "diary"


def note(diary: Path, line: str) -> bool:
    with diary.open("a") as lines:
        lines.write(f"{os.getpid()} {line}\n")
    return True


def lines_of(diary: Path) -> list[list[str]]:
    return [line.split() for line in diary.read_text().splitlines()]


def do(horse: SteadyHorse, job: str = "job") -> int | None:
    assert horse.begin(job, "execution")
    return horse.wait()


Hire = Callable[..., SteadyHorse]


def test_one_process_does_job_after_job(hire: Hire, diary: Path) -> None:
    horse = hire(lambda job, execution: note(diary, f"{job} {execution}"))
    assert [do(horse, job) for job in ("a", "b", "c")] == [None, None, None]
    assert lines_of(diary) == [[str(horse.pid), job, "execution"] for job in "abc"]
    assert horse.pid != os.getpid()


def test_it_leaves_when_it_is_let_go_and_puts_its_things_in_order(hire: Hire, diary: Path) -> None:
    horse = hire(lambda *_: True, lambda: note(diary, "leaves") and None)
    do(horse)
    horse.let_go()
    assert lines_of(diary) == [[str(horse.pid), "leaves"]]
    with pytest.raises(ChildProcessError):
        os.waitpid(horse.pid, os.WNOHANG)


def test_it_leaves_after_a_job_that_failed(hire: Hire, diary: Path) -> None:
    horse = hire(lambda *_: False, lambda: note(diary, "leaves") and None)
    assert do(horse) == os.EX_OK
    assert len(lines_of(diary)) == 1
    assert not horse.begin("another", "execution")


def test_an_error_ends_it(hire: Hire) -> None:
    horse = hire(lambda *_: 1 / 0 > 0)
    status = do(horse)
    assert status is not None
    assert os.waitstatus_to_exitcode(status) == 1


def test_it_leaves_when_it_has_stepped_back(hire: Hire) -> None:
    horse = hire(lambda *_: os.nice(1) > 0)
    assert do(horse) == os.EX_OK
    assert not horse.begin("another", "execution")


def test_it_leaves_when_it_has_grown(hire: Hire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steady_horse, "GROWTH_BYTES", 2**22)
    horse = hire(lambda job, _: len(bytearray(2**25 if job == "large" else 2**10)) > 0)
    assert do(horse, "small") is None
    assert do(horse, "large") == os.EX_OK


def test_it_leaves_after_a_while_without_taking_another_job(hire: Hire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steady_horse, "MOST_JOBS", 3)
    horse = hire(lambda *_: True)
    assert [do(horse) for _ in range(3)] == [None, None, os.EX_OK]
    assert not horse.begin("another", "execution")


def test_one_that_was_killed_while_idle_is_found_gone(hire: Hire) -> None:
    horse = hire(lambda *_: True)
    do(horse)
    os.kill(horse.pid, signal.SIGKILL)
    os.waitid(os.P_PID, horse.pid, os.WEXITED | os.WNOWAIT)
    assert not horse.begin("another", "execution")


def test_one_that_is_killed_at_work_is_told_of(hire: Hire) -> None:
    horse = hire(lambda *_: os.kill(os.getpid(), signal.SIGKILL) is None)
    status = do(horse)
    assert status is not None
    assert os.WTERMSIG(status) == signal.SIGKILL


def test_how_it_ended_is_not_told_well_a_second_time(hire: Hire) -> None:
    """The alarm may go off between being told and noting it; rq then asks again, and looks at the job."""
    horse = hire(lambda *_: os.kill(os.getpid(), signal.SIGKILL) is None)
    assert do(horse) == signal.SIGKILL
    again = horse.wait()
    assert again is not None
    assert again != os.EX_OK


@pytest.mark.parametrize("how", ["falls", "is let go at work"])
def test_it_puts_its_things_in_order_however_it_ends(hire: Hire, diary: Path, tmp_path: Path, how: str) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)

    def work(*_: str) -> bool:
        return 1 / 0 > 0 if how == "falls" else bool(gate.read_text())

    horse = hire(work, lambda: note(diary, "leaves") and None)
    horse.begin("job", "execution")
    if how == "falls":
        horse.wait()
    else:
        letting_go = Thread(target=horse.let_go)
        letting_go.start()
        gate.write_text("go on")
        letting_go.join()
    assert lines_of(diary) == [[str(horse.pid), "leaves"]]


class _Alarm(Exception):
    """What rq's alarm raises while it waits."""


def test_an_alarm_that_goes_off_while_it_is_waited_for_loses_nothing(hire: Hire, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)

    def raise_alarm(*_: object) -> None:
        raise _Alarm

    before = signal.signal(signal.SIGALRM, raise_alarm)
    try:
        horse = hire(lambda *_: bool(gate.read_text()))
        horse.begin("job", "execution")
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(_Alarm):
            horse.wait()
        gate.write_text("go on")
        assert horse.wait() is None
        assert horse.wait() is None  # as often as it is asked
    finally:
        signal.signal(signal.SIGALRM, before)
