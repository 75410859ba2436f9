"""An agent's desk: what lies on it, what others have changed since the agent looked, and work on several tickets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from uuid import UUID

from service.domain.errors import NotFound
from service.domain.model import Agent, Cause, Priority, Ticket, TicketEvent, TicketStatus
from service.usecases.acts import check_reason, release, working
from service.usecases.lifecycle import ItemResult, Lifecycle
from service.usecases.ports.desk import DeskState, DeskStore, Look
from service.usecases.ports.people import UserStore
from service.usecases.ports.tickets import Move
from service.usecases.sessions import over

RESOLVED = 10
"""Resolved tickets shown below the hand, the newest."""


class Act(StrEnum):
    """Name what an agent may do with several tickets at once, beside selling them."""

    START = "start"
    RESOLVE = "resolve"
    CLOSE = "close"
    RELEASE = "release"


class ChangeKind(StrEnum):
    """Say how a ticket differs from what the agent saw."""

    GONE = "gone"
    NEW = "new"
    PRIORITY = "priority"
    EDITED = "edited"
    MOVED = "moved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Glimpse:
    """What an agent saw of one ticket in their hand."""

    ticket_id: int
    priority: Priority
    status: TicketStatus
    subject: str
    """Its beginning, `SUBJECT_SEEN` characters at the most."""


SUBJECT_SEEN = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference that somebody else has made: who (None for the service itself), how and why."""

    kind: ChangeKind
    before: Glimpse | None
    after: Glimpse | None
    event: TicketEvent | None
    actor: str | None

    @property
    def may_be_finished(self) -> bool:
        """Say whether it was taken for slowness alone: what was done meanwhile may still be told."""
        return self.event is not None and self.event.cause in {Cause.AWAY, Cause.HOLD_LIMIT}

    @property
    def ticket_id(self) -> int:
        """The ticket that differs."""
        return (self.after or self.before).ticket_id  # type: ignore[union-attr]


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What an agent has before them."""

    agent: Agent
    hand: tuple[Ticket, ...]
    resolved: tuple[Ticket, ...]
    warned: frozenset[int] = frozenset()
    """Those that go back soon, for they have not been begun."""
    changes: tuple[Change, ...] = ()


def glimpse(ticket: Ticket) -> Glimpse:
    """See of a ticket what is worth remembering."""
    subject = ticket.subject
    if len(subject) > SUBJECT_SEEN:
        subject = f"{subject[: SUBJECT_SEEN - 1].rstrip()}…"
    return Glimpse(ticket_id=ticket.id, priority=ticket.priority, status=ticket.status, subject=subject)


class Desks:
    """Show agents their desks, and let them work on several tickets at once."""

    def __init__(self, *, store: DeskStore, users: UserStore, lifecycle: Lifecycle) -> None:
        self._store = store
        self._users = users
        self._lifecycle = lifecycle

    def look(self, session_id: UUID) -> Look:
        """Say who looks, and what changes whenever their desk does: one statement, every few seconds.

        Raises `NotSignedIn` as `Sessions.principal` does.
        """
        found = self._store.look(session_id, resolved=RESOLVED)
        if found is None:
            raise over()
        return found

    def read(self, agent_id: int, *, seen: Sequence[Glimpse] | None = None) -> Desk:
        """Read a desk, and what others have changed since the agent saw it; None: they never have. Raises `NotFound`.

        What the agent did, here or elsewhere, is no news to them.
        """
        state = self._store.state(agent_id, resolved=RESOLVED)
        if state is None:
            raise NotFound(f"There is no agent {agent_id}")
        changes = () if seen is None else self._changes(state, {each.ticket_id: each for each in seen})
        return Desk(agent=state.agent, hand=state.hand, resolved=state.resolved, warned=state.warned, changes=changes)

    def work(self, agent_id: int, act: Act, ticket_ids: Sequence[int], *, reason: str = "") -> list[ItemResult]:
        """Do the same with several tickets: one refused keeps no other back.

        Raises `InvalidInput` for a `reason` that will not do, before anything is done, and `StoreUnavailable` where
        nothing is known to be done.
        """
        do = _deed(act, agent_id, reason)
        return self._lifecycle.move_all([(ticket_id, do(ticket_id)) for ticket_id in ticket_ids])

    def _changes(self, state: DeskState, seen: Mapping[int, Glimpse]) -> tuple[Change, ...]:
        now = {ticket.id: glimpse(ticket) for ticket in state.hand}
        both = sorted(seen.keys() & now.keys())
        edited = [id_ for id_ in both if _words(seen[id_]) != _words(now[id_])]
        in_words = set(edited)
        moved = [id_ for id_ in both if id_ not in in_words and seen[id_].status is not now[id_].status]
        moved += sorted(seen.keys() ^ now.keys())
        if not moved and not edited:
            return ()
        agent_id = state.agent.id
        events = {**self._store.last_moves(moved, of_agent=agent_id), **self._store.last_edits(edited)}
        theirs = [id_ for id_ in moved + edited if id_ not in events or events[id_].actor_id != agent_id]
        names = self._users.usernames({event.actor_id for event in events.values() if event.actor_id is not None})
        return tuple(_change(seen.get(id_), now.get(id_), events.get(id_), names) for id_ in sorted(theirs))


def _change(
    before: Glimpse | None, after: Glimpse | None, event: TicketEvent | None, names: Mapping[int, str]
) -> Change:
    actor = None if event is None or event.actor_id is None else names.get(event.actor_id)
    return Change(kind=_kind(before, after), before=before, after=after, event=event, actor=actor)


def _words(seen: Glimpse) -> tuple[Priority, str]:
    """Take what only an edit changes: a move in hand may be the agent's own and must not hide it."""
    return seen.priority, seen.subject


def _kind(before: Glimpse | None, after: Glimpse | None) -> ChangeKind:
    if after is None:
        return ChangeKind.GONE
    if before is None:
        return ChangeKind.NEW
    if before.priority is not after.priority:
        return ChangeKind.PRIORITY
    return ChangeKind.MOVED if before.status is not after.status else ChangeKind.EDITED


def _deed(act: Act, agent_id: int, reason: str) -> Callable[[int], Move]:
    if act is Act.RELEASE:
        return partial(release, agent_id, reason=check_reason(reason))
    status = {Act.START: TicketStatus.IN_PROGRESS, Act.RESOLVE: TicketStatus.RESOLVED, Act.CLOSE: TicketStatus.CLOSED}
    return partial(working, status=status[act], actor_id=agent_id, holder_id=agent_id)
