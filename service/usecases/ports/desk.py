"""What an agent's desk needs of the store. Every method may raise `StoreUnavailable`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from service.domain.model import Agent, Principal, Ticket, TicketEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskState:
    """An agent, the tickets in their hand in creation order, and the newest of those resolved and not yet closed."""

    agent: Agent
    hand: tuple[Ticket, ...]
    resolved: tuple[Ticket, ...]
    warned: frozenset[int] = frozenset()
    """Those of the hand that go back soon, for they have not been begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Who looks at a desk, and what changes whenever it does; worth nothing for somebody who has no desk."""

    principal: Principal
    version: str


class DeskStore(Protocol):
    """Desks as the store knows them."""

    def state(self, agent_id: int, *, resolved: int) -> DeskState | None:
        """Read a desk, with at most so many `resolved` tickets; None where there is no such agent."""

    def look(self, session_id: UUID, *, resolved: int) -> Look | None:
        """Read whose session it is, and the version of their desk, at a fraction of the cost of `state`; None: over."""

    def last_moves(self, ticket_ids: Collection[int], *, of_agent: int) -> dict[int, TicketEvent]:
        """Find, for each of the tickets, the newest event that moved it and names the agent."""

    def last_edits(self, ticket_ids: Collection[int]) -> dict[int, TicketEvent]:
        """Find, for each of the tickets, the newest event that edited it."""
