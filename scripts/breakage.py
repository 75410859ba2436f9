"""The mutants as data: what is broken, where, and which tests must notice. See `scripts/breakages/*.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BREAKAGES = Path(__file__).parent / "breakages"


class BreakageError(Exception):
    """Say which breakage does not fit the code, or is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One text in one file, and what stands there instead."""

    path: str
    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakage:
    """One mutant; `tests` are what pytest is given."""

    name: str
    changes: tuple[Change, ...]
    tests: tuple[str, ...]


def breakages(words: Sequence[str] = ()) -> list[Breakage]:
    """Read those whose name contains any of the words; all without words. Raises `BreakageError` for a useless word."""
    found = [_breakage(entry) for path in sorted(BREAKAGES.glob("*.toml")) for entry in _entries(path)]
    useless = [word for word in words if not any(word in each.name for each in found)]
    if useless:
        raise BreakageError(f"No mutant is called {', '.join(useless)}")
    return [each for each in found if not words or any(word in each.name for word in words)]


def apply(breakage: Breakage, tree: Path) -> None:
    """Break the tree. Raises `BreakageError` for a text that is not there exactly once."""
    for change in breakage.changes:
        path = tree / change.path
        source = path.read_text(encoding="utf-8")
        found = source.count(change.old)
        if found != 1:
            raise BreakageError(
                f"{breakage.name}: {change.path} has this text {found} times, not once; "
                f"bring scripts/breakages up to date:\n{change.old}"
            )
        path.write_text(source.replace(change.old, change.new), encoding="utf-8")


def _entries(path: Path) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))["mutant"]
    return entries


def _breakage(entry: dict[str, Any]) -> Breakage:
    return Breakage(
        name=entry["name"],
        changes=tuple(Change(**change) for change in entry["change"]),
        tests=tuple(entry["tests"]),
    )
