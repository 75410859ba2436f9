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
    """Append one line, at once and whole: several processes may be testing."""
    when = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "cpus": os.cpu_count()}
    line = json.dumps({**asdict(verdict), "what": what, "holds": verdict.holds, **when}) + "\n"
    descriptor = os.open(results_directory() / "results.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)
