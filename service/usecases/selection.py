"""Tickets picked for an act, in numbers: what the act would do, told before it is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from service.domain.model import Ticket, TicketStatus
from service.domain.policy import is_held
from service.usecases.ports.tickets import TicketCount


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Where the picked tickets are; `holders` counts the agents who hold some, `missing` those that are not there."""

    total: int
    open: int
    assigned: int
    in_progress: int
    finished: int
    sold: int
    holders: int
    missing: int

    @property
    def held(self) -> int:
        """Count those in somebody's hand."""
        return self.assigned + self.in_progress

    @property
    def unassignable(self) -> int:
        """Count those that nobody can be given."""
        return self.finished + self.sold


def tally(asked: Sequence[int], found: Sequence[Ticket]) -> Tally:
    """Count the tickets `found` of those `asked` for."""

    def count(*statuses: TicketStatus) -> int:
        return sum(ticket.status in statuses for ticket in found)

    return Tally(
        total=len(found),
        open=count(TicketStatus.OPEN),
        assigned=count(TicketStatus.ASSIGNED),
        in_progress=count(TicketStatus.IN_PROGRESS),
        finished=count(TicketStatus.RESOLVED, TicketStatus.CLOSED),
        sold=count(TicketStatus.SOLD),
        holders=len({ticket.agent_id for ticket in found if is_held(ticket.status)}),
        missing=len(set(asked)) - len(found),
    )


def tally_of(found: TicketCount) -> Tally:
    """Word a count as a tally; nobody asked for any ticket by its number, so none is missing."""
    count = found.by_status
    return Tally(
        total=sum(count.values()),
        open=count[TicketStatus.OPEN],
        assigned=count[TicketStatus.ASSIGNED],
        in_progress=count[TicketStatus.IN_PROGRESS],
        finished=count[TicketStatus.RESOLVED] + count[TicketStatus.CLOSED],
        sold=count[TicketStatus.SOLD],
        holders=found.holders,
        missing=0,
    )
