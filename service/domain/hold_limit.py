"""How long a ticket may lie with an agent who has not begun it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HoldLimit:
    """How long a ticket may lie with an agent who has not begun it, and how long before that they are warned, s."""

    limit_s: int
    warning_s: int

    @property
    def warning(self) -> str:
        """Say it in the history of a ticket that is about to go back."""
        return f"not begun; goes back in {self.warning_s} s"

    @property
    def note(self) -> str:
        """Say it in the history of a ticket that went back."""
        return f"not begun for more than {self.limit_s} s"
