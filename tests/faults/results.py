"""What the runs came to, a JSON line each; `scripts/render_correctness.py` makes a table of it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.faults.verdict import Verdict

ROOT = Path(__file__).parents[2]


def results_directory() -> Path:
    """Name the directory that results go to, and make it: FAULT_RESULTS, or var/faults."""
    directory = Path(os.environ.get("FAULT_RESULTS") or ROOT / "var" / "faults")
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def record(verdict: Verdict, what: str) -> None:
    """Keep how a run ended."""
    _append("results.jsonl", {**asdict(verdict), "what": what, "holds": verdict.holds})


def record_figures(name: str, figures: dict[str, str]) -> None:
    """Keep what was measured beside: what it is, and how much, in words."""
    _append("figures.jsonl", {"name": name, "figures": figures})


def _append(name: str, facts: dict[str, object]) -> None:
    """Append one line, at once and whole: several processes may be testing."""
    when = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "cpus": os.cpu_count()}
    descriptor = os.open(results_directory() / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, (json.dumps({**facts, **when}) + "\n").encode())
    finally:
        os.close(descriptor)
