"""What taking back tickets that were held for too long needs of the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from service.domain.hold_limit import HoldLimit
from service.domain.model import QueuedTicket


@dataclass(frozen=True, slots=True, kw_only=True)
class Limited:
    """What was done about one agent's hand."""

    warned: tuple[int, ...] = ()
    returned: tuple[QueuedTicket, ...] = ()


class HoldLimitStore(Protocol):
    """Tickets that agents have not begun, judged by the database's clock. Methods may raise `StoreUnavailable`."""

    def due(self, limit: HoldLimit) -> list[int]:
        """List the agents who hold a ticket that is to be warned of, or to go back."""

    def apply(self, limit: HoldLimit, *, agent_id: int) -> Limited:
        """Write the warnings that are due, and open the tickets whose limit and warning have passed.

        One transaction under the agent's row lock. A ticket is warned of once each time it came into the hand.
        """
