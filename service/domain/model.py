"""The nouns: tickets, the people around them, and what happened to them.

All timestamps are aware and in UTC. All ids are positive 64-bit integers unless said otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar
from uuid import UUID

T = TypeVar("T")

MAX_CAPACITY = 15
"""Tickets one agent may hold at the most; also a CHECK on `agents.capacity`."""


class TicketStatus(StrEnum):
    """Name the states of a ticket; `policy.MOVES` says which may follow which."""

    OPEN = "open"
    ASSIGNED = "assigned"
    IN_PROGRESS = "in_progress"
    RESOLVED = "resolved"
    CLOSED = "closed"
    SOLD = "sold"


HELD = frozenset({TicketStatus.ASSIGNED, TicketStatus.IN_PROGRESS})
"""The states that count towards an agent's capacity."""


class Priority(StrEnum):
    """Rank a ticket; each priority has a queue of its own."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Level(StrEnum):
    """Rank an agent; `policy.QUEUES_BY_LEVEL` says what each may take."""

    JUNIOR = "junior"
    SENIOR = "senior"


class Availability(StrEnum):
    """Say whether an agent takes new tickets."""

    AVAILABLE = "available"
    AWAY = "away"


class Role(StrEnum):
    """Say what a user may do."""

    ADMIN = "admin"
    AGENT = "agent"
    OPERATOR = "operator"


class Cause(StrEnum):
    """Say why a ticket changed; kept in its history."""

    CREATE = "create"
    IMPORT = "import"
    EDIT = "edit"
    NOTE = "note"
    FETCH = "fetch"
    DISPATCH = "dispatch"
    START = "start"
    RESOLVE = "resolve"
    CLOSE = "close"
    SELL = "sell"
    RELEASE = "release"
    RETURN = "return"
    REASSIGN = "reassign"
    REOPEN = "reopen"
    AWAY = "away"
    HOLD_WARNING = "hold_warning"
    HOLD_LIMIT = "hold_limit"
    DEACTIVATE = "deactivate"
    DELETE = "delete"
    RECONCILE = "reconcile"


class Ticket(NamedTuple):
    """A support ticket. The id is the creation order; `epoch` rises with every change of hands.

    A tuple, since fifteen are built for each fetch: a frozen dataclass takes ten times as long.
    """

    id: int
    subject: str
    description: str
    priority: Priority
    status: TicketStatus
    agent_id: int | None
    created_by: int | None
    customer_id: int | None
    epoch: int
    created_at: datetime
    updated_at: datetime
    assigned_at: datetime | None
    resolved_at: datetime | None
    sold_at: datetime | None
    external_id: str | None = None
    """What another system calls it; no two tickets share one."""
    archived_at: datetime | None = None
    """When it went to the archive, where nothing changes."""


class QueuedTicket(NamedTuple):
    """A ticket as the queue knows it: which list, and which place in it."""

    id: int
    priority: Priority


@dataclass(frozen=True, slots=True)
class InQueue:
    """The place of an open ticket: the queue of its priority."""

    priority: Priority


IN_QUEUE = {priority: InQueue(priority) for priority in Priority}
"""The places there are in queues, made once: imports tell of thousands at a time."""


@dataclass(frozen=True, slots=True)
class InHand:
    """The place of a held ticket: an agent's hand."""

    agent_id: int


Place = InQueue | InHand | None
"""Where a ticket is; None for one that is in no queue and no hand (resolved, closed, sold, deleted)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody who may sign in."""

    id: int
    username: str
    email: str | None
    first_name: str
    last_name: str
    phone: str
    role: Role
    is_active: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """A user who takes tickets; `id` is the user's id. `held` is kept by PostgreSQL itself."""

    id: int
    username: str
    email: str | None
    first_name: str
    last_name: str
    phone: str
    is_active: bool
    level: Level
    availability: Availability
    auto_assign: bool
    capacity: int
    held: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Taker:
    """What decides what an agent may be dealt, at one moment."""

    id: int
    level: Level
    availability: Availability
    is_active: bool
    capacity: int
    held: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HandSeen:
    """An agent and what they held at one moment, in creation order; `asked_at` (`time.monotonic()`) was before it."""

    agent: Taker
    tickets: tuple[Ticket, ...]
    asked_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """Somebody a ticket was sold to; the email identifies them, in lower case."""

    id: int
    name: str
    email: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketEvent:
    """One line of a ticket's history.

    `agent_id` has the ticket afterwards, or, where it went back, has lost it. Where it went from hand to hand,
    `from_agent_id` has lost it. `priority` is the one that the event gave it; None where it left it as it was.
    """

    id: int
    ticket_id: int
    cause: Cause
    from_status: TicketStatus | None
    to_status: TicketStatus | None
    agent_id: int | None
    actor_id: int | None
    epoch: int
    note: str
    at: datetime
    from_agent_id: int | None = None
    priority: Priority | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who is calling: read afresh from PostgreSQL on every request, so that revocation is effective at once."""

    user_id: int
    username: str
    role: Role
    session_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """One page of a list. `next` and `prev` lead to the pages beside it; `total` stops counting at 10,000.

    A search looks at so many rows for a page, and no more: its page may be empty and still have a `next`.
    """

    items: tuple[T, ...]
    next: str | None
    total: int
    total_is_exact: bool
    prev: str | None = None
