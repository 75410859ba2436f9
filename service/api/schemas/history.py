"""Looking back as JSON."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from service.api.schemas.fields import Text
from service.api.schemas.paging import PageAnswer
from service.api.schemas.shape import Input, documented
from service.api.schemas.tickets import EventAnswer, event_json
from service.domain.history import HandChange, hand_change
from service.domain.model import TicketEvent


class RemarkInput(Input):
    """A note for a ticket's history."""

    model_config = documented({"note": "Called back twice, nobody there"})

    note: Text = Field(description="1 to 1,000 characters, several lines if need be")


class AgentEventAnswer(EventAnswer):
    """One line of an agent's history."""

    hand: HandChange | None = Field(description="Whether the ticket came into the agent's hand by this, or went")


class AgentEventPage(PageAnswer):
    """One page of an agent's history."""

    items: list[AgentEventAnswer]


def agent_event_json(event: TicketEvent, agent_id: int) -> dict[str, Any]:
    """Describe a line of history as the agent sees it."""
    return {**event_json(event), "hand": hand_change(event, agent_id)}
