"""Many tickets at once, by the rules of the single operation: one refused keeps no other back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from service.domain.errors import FairdealError, InvalidInput, NotFound, TicketArchived
from service.domain.model import Priority, Ticket
from service.usecases.acts import assignment, reopening, taking_back
from service.usecases.lifecycle import ItemResult, Lifecycle
from service.usecases.ports.tickets import AssignmentStore, Move, TicketChanges
from service.usecases.tickets import Tickets


@dataclass(frozen=True, slots=True)
class Seen:
    """A ticket as somebody saw it: what they ask for is done only while it is in the same hands."""

    ticket_id: int
    epoch: int | None = None


@dataclass(frozen=True, slots=True)
class Assignment:
    """One ticket to give, and to whom."""

    ticket_id: int
    agent_id: int
    epoch: int | None = None
    """Only while the ticket is in the hands it was seen in."""


class Bulk:
    """Reassign tickets and change priorities, with a result for every ticket, in the order asked."""

    def __init__(self, *, store: AssignmentStore, lifecycle: Lifecycle, tickets: Tickets) -> None:
        self._store = store
        self._lifecycle = lifecycle
        self._tickets = tickets

    def assign(self, wanted: Sequence[Assignment], *, actor_id: int | None) -> list[ItemResult]:
        """Give each open or held ticket to its agent."""
        return self._lifecycle.move_all(
            [
                (
                    each.ticket_id,
                    assignment(each.ticket_id, agent_id=each.agent_id, actor_id=actor_id, expected_epoch=each.epoch),
                )
                for each in wanted
            ]
        )

    def put_back(self, wanted: Sequence[Seen], *, actor_id: int | None, reason: str = "") -> list[ItemResult]:
        """Take each held ticket from its agent and put it back to its place in the queue. Raises `InvalidInput`."""
        return self._with_all(wanted, partial(taking_back, actor_id=actor_id, reason=reason))

    def reopen(self, wanted: Sequence[Seen], *, actor_id: int | None, reason: str = "") -> list[ItemResult]:
        """Put each resolved or closed ticket back to its place in the queue. Raises `InvalidInput`.

        Those in the archive are fetched from there one by one: they are few, and one that is refused stays there.
        """
        results = self._with_all(wanted, partial(reopening, actor_id=actor_id, reason=reason))
        reopen = partial(self._lifecycle.reopen, actor_id=actor_id, reason=reason)
        return [
            _tried(item.ticket_id, partial(reopen, expected_epoch=item.epoch))
            if isinstance(result.error, TicketArchived)
            else result
            for item, result in zip(wanted, results, strict=True)
        ]

    def delete(self, wanted: Sequence[Seen], *, actor_id: int | None) -> list[ItemResult]:
        """Delete each ticket; its history stays."""
        delete = partial(self._tickets.delete, actor_id=actor_id)
        return [_tried(item.ticket_id, partial(delete, expected_epoch=item.epoch)) for item in wanted]

    def set_priority(self, ticket_ids: Sequence[int], priority: Priority, *, actor_id: int | None) -> list[ItemResult]:
        """Give each ticket the priority; a queued one moves to the place its id has in the other queue."""
        change = partial(self._tickets.update, changes=TicketChanges(priority=priority), actor_id=actor_id)
        return [_tried(ticket_id, change) for ticket_id in ticket_ids]

    def reassign_all(
        self, agent_id: int, *, to_agent_id: int, actor_id: int | None, dry_run: bool = False
    ) -> list[ItemResult]:
        """Give everything an agent holds to another one, as far as it fits, the oldest first.

        A ticket that changes hands meanwhile is left where it is. A dry run says what would become of each, and changes
        nothing. Raises `NotFound` (no such agent), `InvalidInput` (one agent named twice).
        """
        if agent_id == to_agent_id:
            raise InvalidInput(("to_agent_id", "must be another agent"))
        for concerned in (agent_id, to_agent_id):
            if self._store.agent(concerned) is None:
                raise NotFound(f"There is no agent {concerned}")
        held = self._store.hand(agent_id)
        if dry_run:
            return self._rehearsed(agent_id, to_agent_id, held)
        give = partial(assignment, agent_id=to_agent_id, actor_id=actor_id)
        return self._with_all([Seen(ticket.id, ticket.epoch) for ticket in held], give)

    def _with_all(self, wanted: Sequence[Seen], act: Callable[..., Move]) -> list[ItemResult]:
        moves = [(each.ticket_id, act(each.ticket_id, expected_epoch=each.epoch)) for each in wanted]
        return self._lifecycle.move_all(moves)

    def _rehearsed(self, agent_id: int, to_agent_id: int, held: Sequence[Ticket]) -> list[ItemResult]:
        moves = [
            assignment(ticket.id, agent_id=to_agent_id, actor_id=None, expected_epoch=ticket.epoch) for ticket in held
        ]
        rehearsed = self._store.rehearse(moves, agent_ids=(agent_id, to_agent_id))
        return [
            ItemResult(ticket.id, None, found)
            if isinstance(found, FairdealError)
            else ItemResult(ticket.id, found.after, None)
            for ticket, found in zip(held, rehearsed, strict=True)
        ]


def _tried(ticket_id: int, act: Callable[[int], Ticket | None]) -> ItemResult:
    try:
        return ItemResult(ticket_id, act(ticket_id), None)
    except FairdealError as error:
        return ItemResult(ticket_id, None, error)
