"""Why a ticket is where it is: its place in the queue, who may take it, who has it and how they came by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from service.domain.dispatch import DISPATCHED_TO
from service.domain.errors import NotFound, QueueUnavailable
from service.domain.model import Level, Principal, Priority, QueuedTicket, Role, Ticket, TicketStatus
from service.domain.policy import QUEUES_BY_LEVEL
from service.usecases.dispatch_report import can_be_given, prospect
from service.usecases.explanation_words import words
from service.usecases.ports.dispatch import Takers
from service.usecases.ports.explanation import AHEAD_LIMIT, Act, Situation, SituationStore
from service.usecases.ports.queue import QueueAudit, TicketQueue


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePlace:
    """Where an open ticket stands: `rank` 1 is the next of its priority.

    `rank_is_exact` is False where counting stopped. `queued` says whether Redis has it, `trusted` whether Redis counts
    at the moment; None while Redis is away.
    """

    priority: Priority
    rank: int
    rank_is_exact: bool
    queued: bool | None
    trusted: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A ticket explained; `queue`, `may_take` and `dispatch` are None unless it is open.

    `may_take` counts, for each level that may take it, the agents who are available and have room. `words` says it all
    again for a person, a sentence each.
    """

    ticket: Ticket
    agent: str | None
    handed: Act | None
    entered: Act | None
    warned: Act | None
    queue: QueuePlace | None
    may_take: Mapping[Level, int] | None
    dispatch: Prospect | None
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """Whether an open ticket can be given to somebody unasked, who takes part in that, and the same in words."""

    can_be_given: bool
    takers: Mapping[Level, Takers]
    words: str


class Explanations:
    """Explain tickets."""

    def __init__(self, *, store: SituationStore, queue: TicketQueue, audit: QueueAudit) -> None:
        self._store = store
        self._queue = queue
        self._audit = audit

    def explain(self, ticket_id: int, *, viewer: Principal | None = None) -> Explanation:
        """Explain one ticket; an agent's own alone, while no `viewer` is whoever may run commands on the server.

        Raises `NotFound`, `StoreUnavailable`; Redis may be away.
        """
        found = self._store.situation(ticket_id)
        if found is None or not _may_see(viewer, found.ticket):
            raise NotFound(f"There is no ticket {ticket_id}")
        queue = self._place(found)
        may_take = _may_take(found) if found.ticket.status is TicketStatus.OPEN else None
        return Explanation(
            ticket=found.ticket,
            agent=found.agent,
            handed=found.handed,
            entered=found.entered,
            warned=found.warned,
            queue=queue,
            may_take=may_take,
            dispatch=None if may_take is None else _prospect(found),
            words=words(
                found,
                queued=None if queue is None else queue.queued,
                trusted=None if queue is None else queue.trusted,
                may_take=may_take,
            ),
        )

    def _place(self, found: Situation) -> QueuePlace | None:
        if found.ahead is None:
            return None
        queued, trusted = self._in_queue(QueuedTicket(found.ticket.id, found.ticket.priority))
        return QueuePlace(
            priority=found.ticket.priority,
            rank=min(found.ahead, AHEAD_LIMIT) + 1,
            rank_is_exact=found.ahead <= AHEAD_LIMIT,
            queued=queued,
            trusted=trusted,
        )

    def _in_queue(self, ticket: QueuedTicket) -> tuple[bool | None, bool | None]:
        try:
            return ticket.id in self._audit.queued([ticket]), self._queue.is_trusted()
        except QueueUnavailable:
            return None, None


def _may_see(viewer: Principal | None, ticket: Ticket) -> bool:
    return viewer is None or viewer.role is not Role.AGENT or ticket.agent_id == viewer.user_id


def _prospect(found: Situation) -> Prospect:
    priority = found.ticket.priority
    return Prospect(
        can_be_given=can_be_given(priority, found.takers),
        takers={level: found.takers[level] for levels in DISPATCHED_TO[priority] for level in levels},
        words=prospect(priority, found.takers),
    )


def _may_take(found: Situation) -> dict[Level, int]:
    return {
        level: found.with_room[level] for level, queues in QUEUES_BY_LEVEL.items() if found.ticket.priority in queues
    }
