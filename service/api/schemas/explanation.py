"""A ticket explained, as JSON."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Any

from pydantic import Field

from service.api.schemas.dispatch import TakersOfLevelAnswer, takers_json
from service.api.schemas.shape import Answer
from service.api.schemas.tickets import TicketAnswer, ticket_json
from service.domain.model import Cause, Level, Priority
from service.usecases.explanation import Explanation


class ActAnswer(Answer):
    """What somebody did to a ticket."""

    cause: Cause
    actor_id: int | None = Field(description="Null for the service itself")
    actor: str | None = Field(description="Their username")
    at: datetime
    age_s: float = Field(description="Seconds ago")
    note: str


class QueuePlaceAnswer(Answer):
    """Where an open ticket stands."""

    priority: Priority
    rank: int = Field(description="1 for the next of its priority; counted up to 10,001")
    rank_is_exact: bool
    queued: bool | None = Field(description="Whether Redis has it queued; null while Redis is away")
    trusted: bool | None = Field(description="Whether Redis counts: not after a flush; null while Redis is away")


class TakersAnswer(Answer):
    """Agents of one level who may take a ticket."""

    level: Level
    with_room: int = Field(description="Those available who have room")


class ProspectAnswer(Answer):
    """Whether a ticket can be given to an agent with `auto_assign`, who does not ask."""

    can_be_given: bool
    takers: list[TakersOfLevelAnswer] = Field(description="Those of the levels it may go to")
    why: str = Field(description="The same in words")


class ExplanationAnswer(Answer):
    """Why a ticket is where it is."""

    ticket: TicketAnswer
    agent: str | None = Field(description="Username of whoever has the ticket, or had it last")
    handed: ActAnswer | None = Field(description="How it came to that agent, or to the queue")
    entered: ActAnswer | None = Field(description="How it came to its present state, and since when it is in it")
    warned: ActAnswer | None = Field(description="The warning that it will go back unless it is begun")
    queue: QueuePlaceAnswer | None = Field(description="Null unless the ticket is open")
    may_take: list[TakersAnswer] | None = Field(description="Who may take it; null unless it is open")
    dispatch: ProspectAnswer | None = Field(description="Whether it is given unasked; null unless it is open")
    words: list[str] = Field(description="The same in plain words, a sentence each")


def explanation_json(explained: Explanation) -> dict[str, Any]:
    """Describe an explanation."""
    parts = {name: getattr(explained, name) for name in ("handed", "entered", "warned", "queue")}
    may_take, dispatch = explained.may_take, explained.dispatch
    return {
        "ticket": ticket_json(explained.ticket),
        "agent": explained.agent,
        **{name: None if part is None else dataclasses.asdict(part) for name, part in parts.items()},
        "may_take": None
        if may_take is None
        else [{"level": level, "with_room": count} for level, count in may_take.items()],
        "dispatch": None
        if dispatch is None
        else {"can_be_given": dispatch.can_be_given, "takers": takers_json(dispatch.takers), "why": dispatch.words},
        "words": list(explained.words),
    }
