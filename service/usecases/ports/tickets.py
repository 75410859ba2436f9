"""What the use cases need to keep tickets and to deal them out. PostgreSQL is the arbiter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from service.domain.errors import FairdealError
from service.domain.model import (
    Agent,
    Cause,
    Page,
    Place,
    Priority,
    QueuedTicket,
    Taker,
    Ticket,
    TicketEvent,
    TicketStatus,
)
from service.usecases.ports.imports import ImportMark
from service.usecases.ports.paging import PageRequest


class TicketDraft(NamedTuple):
    """A ticket to be: already validated."""

    subject: str
    description: str = ""
    priority: Priority = Priority.MEDIUM
    external_id: str | None = None
    """What another system calls it; no two tickets share one, deleted ones included."""


class ImportedTicket(NamedTuple):
    """The ticket of an imported row, and whether that row made it."""

    ticket_id: int
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketChanges:
    """New values for a ticket; None leaves a field as it is."""

    subject: str | None = None
    description: str | None = None
    priority: Priority | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketFilter:
    """Which tickets to list; an empty filter means all."""

    ids: tuple[int, ...] | None = None
    statuses: tuple[TicketStatus, ...] = ()
    priorities: tuple[Priority, ...] = ()
    agent_id: int | None = None
    customer_id: int | None = None
    external_id: str | None = None
    text: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    unchanged_since: datetime | None = None
    """Those that nobody has changed after this moment."""
    overdue: bool | None = None
    """Those that have missed a target and still wait; False means all others."""
    holder_away_s: int | None = None
    """Tickets held by agents who have been away for at least so many seconds."""
    archived: bool = False
    """Those in the archive, instead of all others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketCount:
    """How many tickets a filter finds by status, in how many agents' hands, and when that was, by the database."""

    by_status: Mapping[TicketStatus, int]
    holders: int
    at: datetime


class TicketStore(Protocol):
    """Tickets as records."""

    def create(
        self, drafts: Sequence[TicketDraft], *, actor_id: int | None, cause: Cause, operation_id: UUID | None = None
    ) -> list[Ticket]:
        """Write the tickets and their first history lines in one transaction, in the order given.

        With an `operation_id` (for one draft only) a second try writes nothing and returns what the first created.
        Raises `AlreadyExists` where another ticket has the external id, and names it.
        """

    def import_many(
        self, drafts: Sequence[TicketDraft], *, actor_id: int | None, mark: ImportMark | None
    ) -> list[ImportedTicket]:
        """Write, in one transaction and in the order given, those tickets whose external ids are not there yet.

        The mark is written in the same transaction; raises `Conflict` where it is not the import's own any more.
        Returns the ticket of each draft. A deleted ticket is there too: importing it again does not bring it back.
        """

    def refresh_statistics(self, *, new: int) -> None:
        """Have plans made for the tickets that are there now, if the `new` ones are many beside the others.

        Those made for an empty table take five times as long.
        """

    def named(self, external_ids: Sequence[str]) -> dict[str, int]:
        """Say which tickets have these external ids, deleted ones included; those that are free are left out."""

    def get(self, ticket_id: int) -> Ticket | None:
        """Read one ticket; None when there is none or it is deleted."""

    def page(self, wanted: TicketFilter, request: PageRequest) -> Page[Ticket]:
        """List tickets by keyset. Raises `InvalidInput` for a cursor or sort key that is not ours."""

    def count(self, wanted: TicketFilter) -> TicketCount:
        """Count tickets, all of them, by one statement."""

    def walk(self, wanted: TicketFilter, *, size: int) -> Iterator[list[Ticket]]:
        """Yield all tickets wanted in creation order, `size` at a time, each page by a statement of its own."""

    def update(
        self, ticket_id: int, changes: TicketChanges, *, actor_id: int | None, expected_epoch: int | None
    ) -> tuple[Ticket, Ticket]:
        """Change fields and return the ticket before and after. Raises `NotFound`, `StaleEpoch`."""

    def delete(self, ticket_id: int, *, actor_id: int | None, expected_epoch: int | None) -> Ticket:
        """Mark a ticket deleted and return it as it was. Raises `NotFound`, `StaleEpoch`."""

    def history(self, ticket_id: int, request: PageRequest) -> Page[TicketEvent]:
        """List what happened to a ticket, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """The arbiter's verdict on one claim: `assigned` now belongs to the agent, `cut` is open but did not fit.

    `restless` are those assigned that somebody changed a few seconds ago: hints about that may be on their way yet.
    """

    assigned: tuple[QueuedTicket, ...] = ()
    cut: tuple[QueuedTicket, ...] = ()
    refused: tuple[int, ...] = ()
    restless: tuple[QueuedTicket, ...] = ()
    hand: tuple[Ticket, ...] | None = None
    """All that the agent holds by this verdict, in creation order; None where that was not learnt with it."""
    is_full: bool = False
    """The hand has no room left, as the arbiter saw under the lock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Supposed:
    """Whose session somebody presents, and what that agent is, as far as is known from the time before."""

    session_id: UUID
    agent: Taker


@dataclass(frozen=True, slots=True, kw_only=True)
class Buyer:
    """The customer of a sale: found by email, else created."""

    name: str
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One change of a ticket's state: from any of `sources` to `target`."""

    ticket_id: int
    sources: tuple[TicketStatus, ...]
    target: TicketStatus
    cause: Cause
    actor_id: int | None
    holder_id: int | None = None
    """Only if this agent has the ticket; None means whoever has it."""
    to_agent_id: int | None = None
    """Who gets it, where that changes."""
    expected_epoch: int | None = None
    note: str = ""
    buyer: Buyer | None = None
    """Whom it is sold to, where that is said."""
    is_repeatable: bool = True
    """Whether a sale that has happened already, to that buyer, is one that succeeds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A ticket before and after a move."""

    before: Ticket
    after: Ticket


class TicketPlaces(Protocol):
    """Where tickets are at this moment, for whoever has just told the queue where they were."""

    def places(self, ids: Sequence[int]) -> dict[int, Place]:
        """Say in which queue or in whose hand each of the tickets is; those in neither are left out."""

    def all_open(self, ids: Sequence[int], priority: Priority) -> bool:
        """Say whether each of these different tickets is in the queue of this priority: cheap for thousands."""


class AssignmentStore(Protocol):
    """Who has which ticket. Each method is one transaction under the agent's row lock."""

    def agent(self, agent_id: int) -> Agent | None:
        """Read an agent's profile; None when there is none or the user is deleted."""

    def claim(
        self,
        *,
        claim_id: UUID,
        agent_id: int,
        popped: Sequence[QueuedTicket],
        limit: int,
        cause: Cause = Cause.FETCH,
        supposed: Supposed | None = None,
    ) -> Claimed:
        """Assign the popped tickets that are open, eligible and fit, in the order popped.

        With something `supposed`, all are refused unless the session goes on, is this agent's, and they have the level
        that they had. Raises `AgentInactive`, `AgentAway`, `NotFound` (no such agent), and for the cause `dispatch`
        `Conflict` when the agent takes no tickets they did not ask for.
        """

    def claim_oldest(
        self,
        *,
        claim_id: UUID,
        agent_id: int,
        limit: int,
        cause: Cause = Cause.FETCH,
        limits: Mapping[Priority, int] | None = None,
    ) -> Claimed:
        """Assign the oldest open tickets that nobody else is taking, without the queue's help. Raises as `claim`.

        With `limits`, no more of each priority than its limit says, and none of those it does not name.
        """

    def claimed_by(self, claim_id: UUID) -> tuple[int, ...] | None:
        """Read which tickets a claim assigned; None when it was not committed (or assigned nothing)."""

    def hand(self, agent_id: int) -> list[Ticket]:
        """Read the tickets an agent holds, in creation order."""

    def move(self, move: Move, *, dry_run: bool = False) -> Moved:
        """Change one ticket's state; in a dry run, say what that would be.

        A ticket that was taken back from its agent for being slow or away may still be resolved by them, as long as
        nobody else has had it. Raises `NotFound`, `IllegalMove`, `StaleEpoch`, `AgentAtCapacity`, `TicketTaken`.
        """

    def move_all(self, wanted: Sequence[Move]) -> list[Moved | FairdealError]:
        """Change several tickets' states in one transaction, each as `move` has it: one refused keeps no other back.

        All are the same act (target, cause and actor) of different tickets. A sale is a move to `sold` by the holder,
        to the move's `buyer`; where that is what has happened already, nothing changes and the ticket is returned as it
        is. Answers in the order asked, with what refused a move in its place. Raises `StoreUnavailable` where nothing
        is known to be done.
        """

    def rehearse(self, wanted: Sequence[Move], *, agent_ids: Sequence[int]) -> list[Moved | FairdealError]:
        """Say what would become of the moves wanted, one after the other, and change nothing.

        `agent_ids` are all who have the tickets or would get them, and the tickets come by ascending id: that is the
        order of the locks.
        """

    def return_all(
        self, agent_id: int, *, actor_id: int | None, cause: Cause, note: str = "", dry_run: bool = False
    ) -> list[QueuedTicket]:
        """Give back everything an agent holds; in a dry run, say what that would be."""


class OpenTickets(Protocol):
    """The truth about unassigned work, as the reconciler reads it."""

    def open_pages(self, priority: Priority, *, size: int) -> Iterator[list[int]]:
        """Yield the ids of all open tickets of a priority, ascending, `size` at a time, by keyset."""

    def still_open(self, ids: Sequence[int]) -> dict[int, Priority]:
        """Say which of the ids are open now, and with which priority."""

    def known_epochs(self, ids: Sequence[int]) -> dict[int, int]:
        """Read the epochs of those ids that exist."""

    def held_by(self, agent_id: int) -> frozenset[int]:
        """Read the ids an agent holds."""

    def agents_holding(self) -> dict[int, int]:
        """Count the held tickets of every agent that holds any."""
