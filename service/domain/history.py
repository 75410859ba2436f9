"""What events say: the ticket that they lead to, and whose hand each of them filled or emptied."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from service.domain.model import Cause, Priority, TicketEvent, TicketStatus
from service.domain.policy import is_held

QUIET = frozenset({Cause.EDIT, Cause.NOTE, Cause.HOLD_WARNING})
"""Events that leave a ticket's state and holder as they were."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """A ticket as its events have it; `priority` is None where no event tells it."""

    status: TicketStatus
    agent_id: int | None
    epoch: int
    priority: Priority | None
    deleted: bool


class HandChange(StrEnum):
    """Say what an event did to an agent's hand."""

    CAME = "came"
    WENT = "went"


def replay(events: Iterable[TicketEvent]) -> Replayed:
    """Follow a ticket's events, oldest first, to what its row must be. Raises `ValueError` when there are none."""
    last: TicketEvent | None = None
    priority: Priority | None = None
    for event in events:
        last, priority = event, event.priority or priority
    status = None if last is None else last.to_status or last.from_status
    if last is None or status is None:
        raise ValueError("a ticket's history begins with its creation")
    return Replayed(
        status=status,
        agent_id=None if status is TicketStatus.OPEN else last.agent_id,
        epoch=last.epoch,
        priority=priority,
        deleted=last.cause is Cause.DELETE and last.to_status is None,
    )


def hand_change(event: TicketEvent, agent_id: int) -> HandChange | None:
    """Say whether an event put its ticket into this agent's hand, or took it out; None when it did neither."""
    if event.from_agent_id == agent_id:
        return HandChange.WENT
    had = event.from_agent_id is None and event.from_status is not None and is_held(event.from_status)
    has = event.to_status is not None and is_held(event.to_status)
    if had == has:
        return None
    return HandChange.CAME if has else HandChange.WENT
