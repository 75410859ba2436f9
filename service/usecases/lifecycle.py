"""Working tickets: sell, start, resolve, close, release, and the admin's return, reopen and assign.

Each move is one guarded transaction in PostgreSQL, and then a hint to the queue (see `service.usecases.hints`). Moves
of several share a transaction, `TOGETHER` at a time: each is decided by itself, and one refused keeps no other back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from service.domain.errors import FairdealError, InvalidInput, StoreUnavailable
from service.domain.model import Ticket, TicketStatus
from service.usecases.acts import assignment, release, reopening, sale, taking_back, working
from service.usecases.customers import check_customer
from service.usecases.hints import follow
from service.usecases.ports.people import CustomerDraft
from service.usecases.ports.queue import TicketQueue
from service.usecases.ports.tickets import AssignmentStore, Buyer, Move, Moved, TicketPlaces

TOGETHER = 100
"""Tickets of one transaction at the most: it keeps their agents waiting."""


@dataclass(frozen=True, slots=True)
class Sale:
    """One ticket to sell, and to whom."""

    ticket_id: int
    buyer: Buyer | None


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What became of one ticket of several: the ticket, or the reason why not."""

    ticket_id: int
    ticket: Ticket | None
    error: FairdealError | None


class Lifecycle:
    """Move tickets from state to state, each move guarded by state, holder and epoch."""

    def __init__(self, *, store: AssignmentStore, queue: TicketQueue, places: TicketPlaces) -> None:
        self._store = store
        self._queue = queue
        self._places = places

    def sell(
        self,
        agent_id: int,
        ticket_id: int,
        buyer: Buyer | None,
        *,
        expected_epoch: int | None = None,
        repeatable: bool = True,
    ) -> Ticket:
        """Sell a held ticket, which frees its slot; `buyer` is None where nobody says to whom.

        Repeating the same sale changes nothing, unless it is not `repeatable` or names nobody: then what is sold
        cannot be sold again. A ticket that was taken back from the agent for being slow or away is sold as well, unless
        somebody else has had it since. Raises `InvalidInput`, `NotFound` (also for somebody else's ticket),
        `IllegalMove`, `StaleEpoch`, `TicketTaken`.
        """
        wanted = sale(agent_id, ticket_id, _checked(buyer), expected_epoch=expected_epoch, is_repeatable=repeatable)
        (result,) = self.move_all([(ticket_id, wanted)])
        if result.ticket is None:
            raise result.error or AssertionError
        return result.ticket

    def sell_many(self, agent_id: int, sales: Sequence[Sale]) -> list[ItemResult]:
        """Sell several tickets: one that cannot be sold keeps no other from being sold.

        Raises `StoreUnavailable` where nothing is known to be sold.
        """
        return self.move_all([(each.ticket_id, _sale_or_refusal(agent_id, each)) for each in sales])

    def move_all(self, wanted: Sequence[tuple[int, Move | FairdealError]]) -> list[ItemResult]:
        """Carry out the same act with several tickets and say of each, in the order asked, what became of it.

        What has been refused already is passed on. A ticket that is asked for twice is moved twice, one after the
        other. Raises `StoreUnavailable` where nothing is known to be done.
        """
        outcomes: list[Ticket | FairdealError | None] = [
            each if isinstance(each, FairdealError) else None for _, each in wanted
        ]
        done = False
        for part in _parts(wanted):
            try:
                found = self._store.move_all([move for _, move in part])
            except StoreUnavailable as error:
                if not done:
                    raise
                found = [error] * len(part)
            done = True
            moved = [each for each in found if isinstance(each, Moved)]
            follow(self._queue, self._places, [(each.before, each.after) for each in moved])
            for (number, _), each in zip(part, found, strict=True):
                outcomes[number] = each.after if isinstance(each, Moved) else each
        return [
            ItemResult(ticket_id, None, each) if isinstance(each, FairdealError) else ItemResult(ticket_id, each, None)
            for (ticket_id, _), each in zip(wanted, outcomes, strict=True)
        ]

    def start(self, agent_id: int, ticket_id: int, *, expected_epoch: int | None = None) -> Ticket:
        """Begin work on a held ticket, or take up a resolved one again if the hand has room."""
        return self._by_holder(agent_id, ticket_id, TicketStatus.IN_PROGRESS, expected_epoch=expected_epoch)

    def resolve(self, agent_id: int, ticket_id: int, *, expected_epoch: int | None = None) -> Ticket:
        """Resolve a held ticket, which frees its slot, or one that was taken back as `sell` has it."""
        return self._by_holder(agent_id, ticket_id, TicketStatus.RESOLVED, expected_epoch=expected_epoch)

    def close(self, agent_id: int, ticket_id: int, *, expected_epoch: int | None = None) -> Ticket:
        """Close a resolved ticket."""
        return self._by_holder(agent_id, ticket_id, TicketStatus.CLOSED, expected_epoch=expected_epoch)

    def set_status(
        self,
        ticket_id: int,
        status: TicketStatus,
        *,
        actor_id: int,
        holder_id: int | None = None,
        expected_epoch: int | None = None,
    ) -> Ticket:
        """Work a ticket by naming the state it is to have: in progress, resolved or closed.

        With a `holder_id`, only if that agent has it. Raises `InvalidInput` for the states that need another act.
        """
        return self._move(
            working(ticket_id, status, actor_id=actor_id, holder_id=holder_id, expected_epoch=expected_epoch)
        )

    def release(self, agent_id: int, ticket_id: int, *, reason: str, expected_epoch: int | None = None) -> Ticket:
        """Give a held ticket back to its place in the queue."""
        return self._move(release(agent_id, ticket_id, reason=reason, expected_epoch=expected_epoch))

    def return_one(
        self,
        ticket_id: int,
        *,
        actor_id: int | None,
        reason: str = "",
        expected_epoch: int | None = None,
        dry_run: bool = False,
    ) -> Ticket:
        """Take a held ticket from its agent and put it back to its place in the queue (admin).

        A dry run returns the ticket as it would be, and changes nothing.
        """
        wanted = taking_back(ticket_id, actor_id=actor_id, reason=reason, expected_epoch=expected_epoch)
        return self._move(wanted, dry_run=dry_run)

    def reopen(
        self, ticket_id: int, *, actor_id: int | None, reason: str = "", expected_epoch: int | None = None
    ) -> Ticket:
        """Put a resolved or closed ticket back to its place in the queue (admin)."""
        return self._move(reopening(ticket_id, actor_id=actor_id, reason=reason, expected_epoch=expected_epoch))

    def assign(
        self,
        ticket_id: int,
        *,
        agent_id: int,
        actor_id: int | None,
        expected_epoch: int | None = None,
        dry_run: bool = False,
    ) -> Ticket:
        """Give an open or held ticket to an agent, whatever its priority (admin).

        A dry run returns the ticket as it would be, and changes nothing. Raises `AgentAtCapacity`, `AgentInactive`,
        `AgentAway` besides the usual.
        """
        wanted = assignment(ticket_id, agent_id=agent_id, actor_id=actor_id, expected_epoch=expected_epoch)
        return self._move(wanted, dry_run=dry_run)

    def _by_holder(self, agent_id: int, ticket_id: int, target: TicketStatus, *, expected_epoch: int | None) -> Ticket:
        return self.set_status(ticket_id, target, actor_id=agent_id, holder_id=agent_id, expected_epoch=expected_epoch)

    def _move(self, move: Move, *, dry_run: bool = False) -> Ticket:
        moved = self._store.move(move, dry_run=dry_run)
        if dry_run:
            return moved.after
        follow(self._queue, self._places, [(moved.before, moved.after)])
        return moved.after


def _parts(wanted: Sequence[tuple[int, Move | FairdealError]]) -> Iterator[list[tuple[int, Move]]]:
    """Cut moves, each with its place in the list, into what goes into one transaction: no ticket twice."""
    left = [(number, each) for number, (_, each) in enumerate(wanted) if isinstance(each, Move)]
    while left:
        part: dict[int, tuple[int, Move]] = {}
        later: list[tuple[int, Move]] = []
        for number, move in left:
            if move.ticket_id in part or len(part) == TOGETHER:
                later.append((number, move))
            else:
                part[move.ticket_id] = (number, move)
        yield list(part.values())
        left = later


def _sale_or_refusal(agent_id: int, wanted: Sale) -> Move | FairdealError:
    try:
        return sale(agent_id, wanted.ticket_id, _checked(wanted.buyer))
    except InvalidInput as error:
        return error


def _checked(buyer: Buyer | None) -> Buyer | None:
    if buyer is None:
        return None
    customer = check_customer(CustomerDraft(name=buyer.name, email=buyer.email))
    return Buyer(name=customer.name, email=customer.email)
