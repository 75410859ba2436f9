"""What looking back needs of the store. Every method may raise `StoreUnavailable`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from service.domain.model import Page, TicketEvent
from service.usecases.ports.paging import PageRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChanges:
    """The events that changed a ticket's state or holder, oldest first, and the store's time when they were read."""

    events: Sequence[TicketEvent]
    now: datetime


class HistoryStore(Protocol):
    """The events of tickets: read, and added to by notes."""

    def has_had(self, ticket_id: int, agent_id: int) -> bool:
        """Say whether the agent has the ticket or has ever had it. Once true, it stays true."""

    def add_note(self, ticket_id: int, note: str, *, actor_id: int, operation_id: UUID | None) -> TicketEvent:
        """Add a note; with the same `operation_id` a second try adds nothing and returns the first's.

        Raises `NotFound` for a ticket that is not there or deleted.
        """

    def changes(self, ticket_id: int) -> StateChanges:
        """Read all events of a ticket but edits and notes."""

    def of_agent(self, agent_id: int, request: PageRequest) -> Page[TicketEvent]:
        """List the events that concern what the agent had. Raises `InvalidInput` for a cursor that is not ours."""

    def notes(self, ticket_id: int, request: PageRequest) -> Page[TicketEvent]:
        """List a ticket's notes, oldest first. Raises `InvalidInput` for a cursor that is not ours."""
