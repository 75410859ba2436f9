"""What agents are told of the history: which lines concern whom, and which of them make one notice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from service.domain.model import HELD, Cause, TicketEvent, TicketStatus


class NoticeKind(StrEnum):
    """What a notice is about; people may turn each kind off."""

    FETCHED = "fetched"
    """Tickets they fetched themselves: the list of what they now have."""
    ASSIGNED = "assigned"
    """Tickets that were given to them, by dispatch or by an admin."""
    PRIORITY_CHANGED = "priority_changed"
    """Somebody else changed the priority of a ticket they hold."""
    HOLD_WARNING = "hold_warning"
    """Tickets they have held untouched for so long that they are about to go back."""
    TAKEN_AWAY = "taken_away"
    """Tickets that somebody else, or a time limit, took from their hands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing to tell one person: lines of the history, each ticket's latest alone, by ticket."""

    user_id: int
    kind: NoticeKind
    events: tuple[TicketEvent, ...]

    @property
    def event_id(self) -> int:
        """The first of its lines."""
        return min(event.id for event in self.events)


def plan(events: Iterable[TicketEvent]) -> list[Notice]:
    """Gather what each person is to be told of these lines into one notice of each kind, in the order it happened."""
    gathered: dict[tuple[int, NoticeKind], dict[int, TicketEvent]] = {}
    for event in events:
        for user_id, kind in concerned(event):
            gathered.setdefault((user_id, kind), {})[event.ticket_id] = event
    return [
        Notice(user_id=user_id, kind=kind, events=tuple(told[ticket_id] for ticket_id in sorted(told)))
        for (user_id, kind), told in gathered.items()
    ]


def concerned(event: TicketEvent) -> Iterator[tuple[int, NoticeKind]]:
    """Say whom a line concerns, and in what way; nobody is told what they did themselves, but of their own fetch."""
    loser_id = _loser(event)
    if loser_id is not None and loser_id != event.actor_id:
        yield loser_id, NoticeKind.TAKEN_AWAY
    if event.agent_id is None:
        return
    if event.cause is Cause.FETCH:
        yield event.agent_id, NoticeKind.FETCHED
    elif event.agent_id != event.actor_id and (kind := _news(event)) is not None:
        yield event.agent_id, kind


def _loser(event: TicketEvent) -> int | None:
    """Say from whose hand a line took the ticket: it went to another, back to the queue, or was deleted."""
    if event.from_status not in HELD:
        return None
    if event.from_agent_id is not None:
        return event.from_agent_id
    went = event.to_status is TicketStatus.OPEN or event.cause is Cause.DELETE
    return event.agent_id if went else None


def _news(event: TicketEvent) -> NoticeKind | None:
    """Say what a line is to the agent who has the ticket after it."""
    if event.cause is Cause.HOLD_WARNING:
        return NoticeKind.HOLD_WARNING
    if event.to_status not in HELD:
        return None
    if event.from_status not in HELD or event.from_agent_id is not None:
        return NoticeKind.ASSIGNED
    return NoticeKind.PRIORITY_CHANGED if event.priority is not None else None
