"""What taking tickets back from agents who are away needs of the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from service.domain.model import QueuedTicket


@dataclass(frozen=True, slots=True)
class LongAway:
    """How long somebody must have been away, seconds."""

    grace_s: int

    @property
    def note(self) -> str:
        """Say it in a ticket's history."""
        return f"away for more than {self.grace_s} s"


class AwayStore(Protocol):
    """Agents who have been away for long, judged by the database's clock. Methods may raise `StoreUnavailable`."""

    def holding_untouched(self, away: LongAway) -> list[int]:
        """List the agents away for so long who hold tickets they have not begun."""

    def return_untouched(self, agent_id: int, away: LongAway) -> list[QueuedTicket]:
        """Open the tickets that the agent has not begun, in one transaction; none if they have come back meanwhile."""
