"""What `./scripts/test` hands on to pytest."""

from __future__ import annotations

import pytest

from scripts.run_tests import pytest_arguments

LONG_PART = ["-p", "scripts.time_budget", "-m", "faults"]


@pytest.mark.parametrize(
    ("given", "cpus", "expected"),
    [
        ([], 1, ["-n", "2"]),
        (["tests/unit", "-q"], 3, ["-n", "3", "tests/unit", "-q"]),
        ([], 64, ["-n", "4"]),
        (["-n", "0"], 2, ["-n", "0"]),
        (["-nauto"], 2, ["-nauto"]),
        (["--numprocesses=8"], 2, ["--numprocesses=8"]),
        (["--pdb", "x.py"], 2, ["--pdb", "x.py"]),
        (["-p", "no:xdist"], 2, ["-p", "no:xdist"]),
    ],
)
def test_tests_run_side_by_side_unless_told_otherwise(given: list[str], cpus: int, expected: list[str]) -> None:
    assert pytest_arguments(given, cpus=cpus) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["--faults"], ["-n", "2", "--maxschedchunk=1", *LONG_PART]),
        (["--faults", "--within", "900"], ["-n", "2", "--maxschedchunk=1", *LONG_PART, "--within", "900"]),
        (["-x", "--faults", "--within=9"], ["-n", "2", "--maxschedchunk=1", *LONG_PART, "-x", "--within=9"]),
        (["--faults", "-n0"], [*LONG_PART, "-n0"]),
    ],
)
def test_the_long_part_is_chosen_by_its_mark_and_may_be_given_a_time(given: list[str], expected: list[str]) -> None:
    assert pytest_arguments(given, cpus=2) == expected
