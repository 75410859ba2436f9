"""Looking back: notes on a ticket, and what went through an agent's hands."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from service.domain.errors import NotFound
from service.domain.model import Page, Principal, Role, TicketEvent
from service.domain.ticket_rules import clean_remark
from service.usecases.ports.history import HistoryStore
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.people import AgentStore
from service.usecases.ports.tickets import TicketStore


class History:
    """Read what happened, and note what is worth remembering."""

    def __init__(self, *, store: HistoryStore, tickets: TicketStore, agents: AgentStore) -> None:
        self._store = store
        self._tickets = tickets
        self._agents = agents

    def note(self, ticket_id: int, text: str, *, author: Principal, operation_id: UUID | None = None) -> TicketEvent:
        """Add a note to a ticket's history; trying again with the same `operation_id` returns the one added.

        An agent may do so on tickets they hold or held. Raises `InvalidInput`, `NotFound`.
        """
        note = clean_remark(text)
        self._check_known(ticket_id, author)
        return self._store.add_note(ticket_id, note, actor_id=author.user_id, operation_id=operation_id)

    def notes(self, ticket_id: int, request: PageRequest, *, viewer: Principal) -> Page[TicketEvent]:
        """List a ticket's notes, oldest first; an agent's view ends with the tickets they hold or held.

        Raises `InvalidInput`, `NotFound`.
        """
        self._check_known(ticket_id, viewer)
        return self._store.notes(ticket_id, request)

    def of_agent(self, agent_id: int, request: PageRequest) -> Page[TicketEvent]:
        """List what happened to the tickets an agent had, the newest first; `hand_change` says what came and went.

        Raises `NotFound`, `InvalidInput`.
        """
        if self._agents.get(agent_id) is None:
            raise NotFound(f"There is no agent {agent_id}")
        return self._store.of_agent(agent_id, replace(request, sort="-id"))

    def _check_known(self, ticket_id: int, who: Principal) -> None:
        """Refuse a ticket that is not there, or that is no business of this agent's."""
        ticket = self._tickets.get(ticket_id)
        is_theirs = ticket is not None and (
            who.role is not Role.AGENT or ticket.agent_id == who.user_id or self._store.has_had(ticket_id, who.user_id)
        )
        if not is_theirs:
            among = " that you hold or held" if who.role is Role.AGENT else ""
            raise NotFound(f"There is no ticket {ticket_id}{among}")
