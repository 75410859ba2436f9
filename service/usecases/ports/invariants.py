"""What checking the invariants needs of the store: it looks for violations and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

EXAMPLES = 5
"""Violations described in words; the others are only counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Violations of one invariant: how many, and the first few in words. `looked_at` counts what was examined."""

    violations: int = 0
    examples: tuple[str, ...] = ()
    looked_at: int = 0

    def __add__(self, other: Finding) -> Finding:
        """Add what was found elsewhere."""
        return Finding(
            violations=self.violations + other.violations,
            examples=(self.examples + other.examples)[:EXAMPLES],
            looked_at=self.looked_at + other.looked_at,
        )


class InvariantStore(Protocol):
    """The invariants as PostgreSQL's rows show them, by code (I1, I2...). Raises `StoreUnavailable`."""

    def histories(self) -> Mapping[str, Finding]:
        """Replay every ticket's events against its row: I1, I3, I9, I11."""

    def hands(self) -> Mapping[str, Finding]:
        """Count every agent's held rows against capacity and counter, and look whether the guards stand: I2, I7."""

    def claims(self) -> Mapping[str, Finding]:
        """Hold the recorded claims against the events: I4, I10."""

    def repairs(self, *, runs: int) -> Finding:
        """Sum up what the last runs of the reconciler repaired."""
