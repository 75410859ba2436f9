"""Paths that older clients share with us: how the same ticket is told to each of them.

Who calls with `Authorization: Token` speaks the dialect of support-ticket-system. Who ends the path with a slash, which
ours do without, gets from `/api/tickets/` the creator's name beside their id, as support_system told it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from flask import request

from service.api import long_lived
from service.api.schemas.tickets import ticket_json
from service.api.services import services
from service.domain.model import Ticket, TicketStatus

STATUS_WORDS = {
    TicketStatus.OPEN: "open",
    TicketStatus.ASSIGNED: "assigned",
    TicketStatus.IN_PROGRESS: "assigned",
    TicketStatus.RESOLVED: "resolved",
    TicketStatus.CLOSED: "closed",
    TicketStatus.SOLD: "closed",
}
"""The four states that support-ticket-system knows, for ours."""


def has_older_path() -> bool:
    """Say whether the path is written as the older systems wrote theirs: with a slash at the end."""
    return request.path.endswith("/")


def is_older_client() -> bool:
    """Say whether whoever is calling gives away that they speak an older system's dialect."""
    return has_older_path() or long_lived.is_presented()


def describer(found: Iterable[Ticket]) -> Callable[[Ticket], dict[str, Any]]:
    """Choose how these tickets are told to whoever is asking."""
    if long_lived.is_presented():
        return four_states_json
    return with_creators(found) if has_older_path() else ticket_json


def four_states_json(ticket: Ticket) -> dict[str, Any]:
    """Describe a ticket to support-ticket-system."""
    return {**ticket_json(ticket), "status": STATUS_WORDS[ticket.status]}


def with_creators(found: Iterable[Ticket]) -> Callable[[Ticket], dict[str, Any]]:
    """Describe tickets to support_system, the names of all their creators read at once."""
    names = services().users.usernames({ticket.created_by for ticket in found if ticket.created_by is not None})

    def describe(ticket: Ticket) -> dict[str, Any]:
        name = None if ticket.created_by is None else names.get(ticket.created_by)
        creator = None if name is None else {"id": ticket.created_by, "username": name}
        return {**ticket_json(ticket), "created_by": creator}

    return describe
