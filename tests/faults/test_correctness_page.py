"""docs/correctness.md names only what exists, and its generated parts are what the generator makes of the results."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from scripts import render_correctness
from tests.faults.test_web_faults import COMMIT_TO_HINT, POP_TO_CONFIRM

ROOT = Path(__file__).parents[2]
PAGE = render_correctness.PAGE.read_text()
STEP = re.compile(r"`((?:before|after) (?:queue|store)\.\w+)`")
PATH = re.compile(r"`((?:service|scripts|tests|workers|docs)/[\w/.]+)`")


def _result(**changed: Any) -> str:
    result = {
        "scenario": "redis-killed", "reconciling": True, "acknowledged": 1200, "failed": 3, "unknown": 4, "lost": 0,
        "duplicated": 0, "largest_hand": 15, "seconds_to_converge": 1.26, "error_rate": 0.051, "p99_ms": 1234.5,
        "deadlocks": 0, "inversions": 0, "repaired": {"missing": 2, "phantom": 1}, "holds": True,
        "what": "Redis killed", "cpus": 2, "at": "2026-01-01T00:00:00+00:00",
    }  # fmt: skip
    return json.dumps({**result, **changed})


def test_every_crash_point_is_explained_and_none_is_made_up() -> None:
    assert set(STEP.findall(PAGE)) == {*POP_TO_CONFIRM, *COMMIT_TO_HINT}


def test_the_files_it_names_are_there() -> None:
    named = PATH.findall(PAGE)
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_invariants_are_listed_as_they_are_checked() -> None:
    assert render_correctness.part("invariants", render_correctness.invariants(), PAGE) == PAGE


def test_a_row_says_what_was_measured() -> None:
    (row,) = render_correctness.table(render_correctness.last_of_each([_result()])).splitlines()[-1:]
    assert row == "| Redis killed | on | 1200 | 3 | 4 | 0 | 0 | 15 | 3 | 1.3 s | 5.1 % | 1,234 ms |"


def test_the_last_run_of_a_scenario_counts_with_and_without_reconciler() -> None:
    lines = [_result(acknowledged=1), _result(reconciling=False, acknowledged=2), _result(acknowledged=3)]
    kept = render_correctness.last_of_each(lines)
    assert [(result["reconciling"], result["acknowledged"]) for result in kept] == [(True, 3), (False, 2)]


def test_a_run_that_did_not_hold_is_not_published(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    results.write_text(_result(holds=False) + "\n")
    with pytest.raises(ValueError, match="redis-killed"):
        render_correctness.main([results])


def test_a_page_without_the_part_is_refused() -> None:
    with pytest.raises(ValueError, match="faults"):
        render_correctness.part("faults", "text", "a page")


def test_the_last_figures_of_each_name_count() -> None:
    lines = [json.dumps({"name": name, "figures": {"took": took}}) for name, took in (("b", 1), ("a", 2), ("b", 3))]
    assert render_correctness.figures(lines).splitlines()[2:] == ["| took | 2 |", "| took | 3 |"]
