"""Working tickets: sell, start, resolve, close, release, and the admin's return, reopen and assign.

Each move is one guarded transaction in PostgreSQL, and then a hint to the queue (see `service.usecases.hints`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from service.domain.errors import FairdealError, InvalidInput
from service.domain.model import Cause, Ticket, TicketStatus
from service.domain.policy import sources
from service.domain.ticket_rules import clean_note
from service.usecases.customers import check_customer
from service.usecases.hints import follow
from service.usecases.ports.people import CustomerDraft
from service.usecases.ports.queue import TicketQueue
from service.usecases.ports.tickets import AssignmentStore, Buyer, Move, TicketPlaces

_CAUSES = {
    TicketStatus.IN_PROGRESS: Cause.START,
    TicketStatus.RESOLVED: Cause.RESOLVE,
    TicketStatus.CLOSED: Cause.CLOSE,
}
_OTHER_ACTS = "tickets are assigned, returned, reopened and sold by acts of their own"


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
        moved = self._store.sell(
            agent_id=agent_id,
            ticket_id=ticket_id,
            buyer=None if buyer is None else _checked(buyer),
            expected_epoch=expected_epoch,
            repeatable=repeatable,
        )
        follow(self._queue, self._places, before=moved.before, after=moved.after)
        return moved.after

    def sell_many(self, agent_id: int, sales: Sequence[Sale]) -> list[ItemResult]:
        """Sell several tickets, each on its own: one that cannot be sold keeps no other from being sold."""
        return [self._try_sale(agent_id, sale) for sale in sales]

    def _try_sale(self, agent_id: int, sale: Sale) -> ItemResult:
        try:
            return ItemResult(sale.ticket_id, self.sell(agent_id, sale.ticket_id, sale.buyer), None)
        except FairdealError as error:
            return ItemResult(sale.ticket_id, None, error)

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
        cause = _CAUSES.get(status)
        if cause is None:
            raise InvalidInput(("status", f"cannot be set to '{status}' by name; {_OTHER_ACTS}"))
        return self._move(
            Move(
                ticket_id=ticket_id,
                sources=sources(status),
                target=status,
                cause=cause,
                actor_id=actor_id,
                holder_id=holder_id,
                expected_epoch=expected_epoch,
            )
        )

    def release(self, agent_id: int, ticket_id: int, *, reason: str, expected_epoch: int | None = None) -> Ticket:
        """Give a held ticket back to its place in the queue."""
        return self._move(
            Move(
                ticket_id=ticket_id,
                sources=(TicketStatus.ASSIGNED, TicketStatus.IN_PROGRESS),
                target=TicketStatus.OPEN,
                cause=Cause.RELEASE,
                actor_id=agent_id,
                holder_id=agent_id,
                expected_epoch=expected_epoch,
                note=check_reason(reason),
            )
        )

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
        return self._move(
            Move(
                ticket_id=ticket_id,
                sources=(TicketStatus.ASSIGNED, TicketStatus.IN_PROGRESS),
                target=TicketStatus.OPEN,
                cause=Cause.RETURN,
                actor_id=actor_id,
                expected_epoch=expected_epoch,
                note=clean_note(reason, field="reason"),
            ),
            dry_run=dry_run,
        )

    def reopen(
        self, ticket_id: int, *, actor_id: int | None, reason: str = "", expected_epoch: int | None = None
    ) -> Ticket:
        """Put a resolved or closed ticket back to its place in the queue (admin)."""
        return self._move(
            Move(
                ticket_id=ticket_id,
                sources=(TicketStatus.RESOLVED, TicketStatus.CLOSED),
                target=TicketStatus.OPEN,
                cause=Cause.REOPEN,
                actor_id=actor_id,
                expected_epoch=expected_epoch,
                note=clean_note(reason, field="reason"),
            )
        )

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
        follow(self._queue, self._places, before=moved.before, after=moved.after)
        return moved.after


def assignment(ticket_id: int, *, agent_id: int, actor_id: int | None, expected_epoch: int | None) -> Move:
    """Word the move that gives an open or held ticket to an agent."""
    return Move(
        ticket_id=ticket_id,
        sources=(TicketStatus.OPEN, TicketStatus.ASSIGNED, TicketStatus.IN_PROGRESS),
        target=TicketStatus.ASSIGNED,
        cause=Cause.REASSIGN,
        actor_id=actor_id,
        to_agent_id=agent_id,
        expected_epoch=expected_epoch,
    )


def _checked(buyer: Buyer) -> Buyer:
    customer = check_customer(CustomerDraft(name=buyer.name, email=buyer.email))
    return Buyer(name=customer.name, email=customer.email)


def check_reason(text: str) -> str:
    """Return the reason to keep. Raises `InvalidInput` naming `reason`."""
    reason = clean_note(text, field="reason")
    if not reason:
        raise InvalidInput(("reason", "must say why the ticket goes back"))
    return reason
