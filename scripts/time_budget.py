"""A pytest plugin: `--within SECONDS` runs as much as fits, each commit's tests in an order of its own.

A test that has begun is finished; those that have not when the time is up are skipped, and the summary counts them. A
test marked `lasts(seconds)` begins only while there is time for it, and such tests come first. The others are shuffled,
seeded by the commit: from landing to landing, everything has its turn. Without `--within` nothing changes.
"""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
NO_COMMIT = "no commit"
"""The seed where git or its history is not at hand."""

_SHARED = "time_budget"
_SKIPPED = "not run: the "


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """`seconds` from the start; `ends_at` is a `time.monotonic()`, which all processes of a machine share."""

    seconds: float
    ends_at: float
    seed: str

    def left_s(self) -> float:
        """Say how much is left; less than nothing when it is spent."""
        return self.ends_at - time.monotonic()

    def refusal(self, lasts_s: float) -> str | None:
        """Say why a test may not begin that lasts about so long; None when it may."""
        left_s = self.left_s()
        if left_s <= 0:
            return f"{_SKIPPED}{self.seconds:g} s of this run were up"
        if left_s < lasts_s:
            return f"{_SKIPPED}{self.seconds:g} s of this run were too few for one of {lasts_s:g} s"
        return None


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--within`."""
    parser.addoption("--within", type=_seconds, metavar="SECONDS", help="begin no test after so many seconds")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Start the clock, in the process that starts the workers."""
    given = getattr(config, "workerinput", {}).get(_SHARED)
    seconds = config.getoption("within")
    if given is not None:
        config.stash[_BUDGET] = Budget(**given)
    elif seconds is not None:
        config.stash[_BUDGET] = Budget(seconds=seconds, ends_at=time.monotonic() + seconds, seed=commit(ROOT))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell an xdist worker when the time is up, and the seed: all must agree on the order."""
    if (budget := _budget(node.config)) is not None:
        node.workerinput[_SHARED] = asdict(budget)


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say what the order comes from."""
    budget = _budget(config)
    return None if budget is None else f"within {budget.seconds:g} s, in the order of {budget.seed}"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the tests that last into front, the longest first, and shuffle the others."""
    if (budget := _budget(config)) is not None:
        items[:] = in_order(items, budget.seed)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what has no time left."""
    budget = _budget(item.config)
    if budget is not None and (refusal := budget.refusal(_lasts_s(item))) is not None:
        pytest.skip(refusal)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say how many tests were left out."""
    budget = _budget(config)
    if budget is None:
        return
    skipped = terminalreporter.stats.get("skipped", [])
    left_out = sum(_SKIPPED in str(report.longrepr) for report in skipped)
    terminalreporter.write_line(
        f"{left_out} tests of {len(_ran(terminalreporter)) + left_out} were left out for want of time"
        if left_out
        else f"everything was run within {budget.seconds:g} s"
    )


def in_order(items: Sequence[pytest.Item], seed: str) -> list[pytest.Item]:
    """Return the items that last in front, the longest first, and then the others, shuffled by `seed`."""
    shuffled = sorted(items, key=lambda item: item.nodeid)
    random.Random(seed).shuffle(shuffled)  # noqa: S311 - an order, no secret
    return sorted(shuffled, key=_lasts_s, reverse=True)


def commit(root: Path) -> str:
    """Name the commit that is checked out; a fixed word where there is none."""
    command = ["git", "-C", str(root), "rev-parse", "--short=12", "HEAD"]
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return NO_COMMIT
    return done.stdout.strip()


_BUDGET = pytest.StashKey[Budget]()


def _budget(config: pytest.Config) -> Budget | None:
    return config.stash.get(_BUDGET, None)


def _lasts_s(item: pytest.Item) -> float:
    marker = item.get_closest_marker("lasts")
    return 0.0 if marker is None else float(marker.args[0])


def _ran(terminalreporter: Any) -> set[str]:
    """Name the tests that began; one may be there twice, e.g. passed and with an error at its end."""
    kinds = ("passed", "failed", "error", "xfailed", "xpassed")
    return {report.nodeid for kind in kinds for report in terminalreporter.stats.get(kind, [])}


def _seconds(given: str) -> float:
    seconds = float(given)
    if not 0 < seconds < float("inf"):
        raise ValueError(given)
    return seconds
