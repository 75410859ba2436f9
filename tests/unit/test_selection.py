"""Picked tickets in numbers."""

from __future__ import annotations

from service.domain.model import TicketStatus
from service.usecases.selection import tally
from tests.unit.api.fakes import a_ticket


def test_every_ticket_is_counted_where_it_is() -> None:
    found = [
        a_ticket(1),
        a_ticket(2, status=TicketStatus.ASSIGNED, agent_id=5),
        a_ticket(3, status=TicketStatus.IN_PROGRESS, agent_id=5),
        a_ticket(4, status=TicketStatus.ASSIGNED, agent_id=6),
        a_ticket(5, status=TicketStatus.RESOLVED, agent_id=7),
        a_ticket(6, status=TicketStatus.CLOSED, agent_id=7),
        a_ticket(7, status=TicketStatus.SOLD, agent_id=7),
    ]
    counted = tally([1, 1, 2, 3, 4, 5, 6, 7, 8, 9], found)
    assert (counted.total, counted.open, counted.assigned, counted.in_progress) == (7, 1, 2, 1)
    assert (counted.finished, counted.sold, counted.held, counted.unassignable) == (2, 1, 3, 3)
    assert (counted.holders, counted.missing) == (2, 2)
