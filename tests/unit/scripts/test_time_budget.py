"""`--within` begins no test when the time is up, says so, and lets every test have its turn."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.time_budget import NO_COMMIT, ROOT, Budget, commit

TESTS = """
from pathlib import Path

import pytest

@pytest.fixture
def costly():
    Path("begun").open("a").write("x")

@pytest.mark.parametrize("number", range(10, 22))
def test_short(number, costly):
    pass

@pytest.mark.lasts(50)
def test_long():
    pass

@pytest.mark.lasts(100)
def test_longest():
    pass
"""

CLOCK = """
from pathlib import Path

from scripts.time_budget import Budget

def left_s(budget):
    begun = Path("begun")
    return 0 if begun.exists() and len(begun.read_text()) >= 3 else 75

Budget.left_s = left_s
"""
"""A clock that lets three short tests begin, and no test of more than 75 s."""


def _run(directory: Path, *options: str, workers: int = 0) -> str:
    """Run pytest on a directory with fourteen tests and return what it says."""
    (directory / "test_them.py").write_text(TESTS)
    (directory / "pytest.ini").write_text("[pytest]\nmarkers = lasts(seconds)\n")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:valkey", "-p", "scripts.time_budget"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    done = subprocess.run(
        [*command, "-v", "-rs", f"-n{workers}", "--strict-markers", *options],
        cwd=directory, env=environ, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    return done.stdout + done.stderr


def _order(said: str) -> list[str]:
    return re.findall(r"^test_them\.py::(\S+) (?:PASSED|SKIPPED)", said, re.MULTILINE)


def test_without_a_limit_everything_runs_in_the_order_of_the_file(tmp_path: Path) -> None:
    said = _run(tmp_path)
    assert _order(said) == [*(f"test_short[{n}]" for n in range(10, 22)), "test_long", "test_longest"]
    assert "14 passed" in said
    assert "within" not in said


def test_with_time_enough_everything_runs_the_longest_first_and_the_others_shuffled(tmp_path: Path) -> None:
    said = _run(tmp_path, "--within", "200")
    order, in_file = _order(said), [f"test_short[{n}]" for n in range(10, 22)]
    assert order[:2] == ["test_longest", "test_long"]
    assert order[2:] != in_file
    assert sorted(order[2:]) == sorted(in_file)
    assert f"within 200 s, in the order of {commit(ROOT)}" in said
    assert "everything was run within 200 s" in said
    assert "14 passed" in said


@pytest.mark.parametrize("workers", [0, 2])
def test_what_has_not_begun_when_the_time_is_up_is_skipped_and_counted(tmp_path: Path, workers: int) -> None:
    (tmp_path / "conftest.py").write_text(CLOCK)
    said = _run(tmp_path, "--within", "200", workers=workers)
    begun = len((tmp_path / "begun").read_text())
    assert 3 <= begun <= 3 + workers
    # Of two workers, the one with test_long may come to it only when the short ones have used the time up.
    has_begun = workers == 0 or bool(re.search(r"PASSED test_them\.py::test_long\b", said))
    passed = begun + has_begun
    assert re.search(rf"=+ {passed} passed, {14 - passed} skipped in ", said), said
    assert f"{14 - passed} tests of 14 were left out for want of time" in said
    why = "not run: the 200 s of this run were"
    counts = {words: int(count) for count, words in re.findall(rf"SKIPPED \[(\d+)\] \S+ {why} (.*)", said)}
    assert sum(counts.values()) == 14 - passed
    assert counts["up"] >= 13 - passed
    assert workers or counts["too few for one of 100 s"] == 1


def test_the_time_is_up_when_it_was_said_to_be() -> None:
    budget = Budget(seconds=9, ends_at=time.monotonic() + 1_000, seed="x")
    assert budget.refusal(0) is None
    assert budget.refusal(900) is None
    assert budget.refusal(1_100) == "not run: the 9 s of this run were too few for one of 1100 s"
    assert replace(budget, ends_at=time.monotonic()).refusal(0) == "not run: the 9 s of this run were up"


def test_a_time_that_is_none_is_refused(tmp_path: Path) -> None:
    assert "argument --within: invalid" in _run(tmp_path, "--within", "soon")
    assert "argument --within: invalid" in _run(tmp_path, "--within", "-1")


def test_where_there_is_no_commit_the_seed_is_fixed(tmp_path: Path) -> None:
    assert commit(tmp_path) == NO_COMMIT
