"""Service levels: how long a ticket took, against how long it may take."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from service.domain.model import Principal, Priority, Ticket
from service.domain.service_levels import Measure, Targets, due_at, measured, times
from service.usecases.ports.history import HistoryStore
from service.usecases.tickets import Tickets


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLevel:
    """One ticket's times. `overdue` says that a target has passed for something that has not happened yet."""

    ticket_id: int
    priority: Priority
    overdue: bool
    assignment: Measure
    resolution: Measure
    held_s: float
    age_s: float


class ServiceLevels:
    """Read how long tickets take, from their events."""

    def __init__(self, *, tickets: Tickets, store: HistoryStore, targets: Targets) -> None:
        self._tickets = tickets
        self._store = store
        self._targets = targets

    def due_at(self, ticket: Ticket) -> datetime | None:
        """Say when a ticket becomes, or became, overdue; None for one that waits no more."""
        return due_at(ticket, self._targets)

    def of(self, ticket_id: int, *, viewer: Principal) -> ServiceLevel:
        """Measure one ticket. Raises `NotFound` as `Tickets.get` does."""
        ticket = self._tickets.get(ticket_id, viewer=viewer)
        changes = self._store.changes(ticket_id)
        taken = times(changes.events, created_at=ticket.created_at, now=changes.now)
        assignment, resolution = measured(taken, self._targets, ticket.priority)
        return ServiceLevel(
            ticket_id=ticket.id,
            priority=ticket.priority,
            overdue=assignment.is_overdue or resolution.is_overdue,
            assignment=assignment,
            resolution=resolution,
            held_s=taken.held_s,
            age_s=taken.age_s,
        )
