"""The admins' list of tickets, as an address asks for it: the table and the export read it alike."""

from __future__ import annotations

from service.api.services import services
from service.dashboard.listing import Listing
from service.domain.errors import InvalidInput, NotFound
from service.domain.model import Priority, TicketStatus
from service.usecases.ports.tickets import TicketFilter

FILTERS = ("q", "status", "priority", "agent", "overdue", "created_from", "created_to", "external_id", "customer_id")
SORTS = {"id": "Number", "subject": "Subject", "updated_at": "Last change"}


def ticket_list() -> Listing:
    """Read what the list is to show."""
    return Listing(names=FILTERS, sorts=tuple(SORTS), default_sort="-id", endpoint="dashboard.tickets")


def wanted_tickets(listing: Listing) -> TicketFilter:
    """Say it in the use case's words; what is wrong is noted in the listing."""
    given = listing.given
    return TicketFilter(
        text=given["q"] or None,
        statuses=listing.chosen("status", TicketStatus),
        priorities=listing.chosen("priority", Priority),
        agent_id=_agent_id(listing),
        customer_id=_customer_id(listing),
        external_id=given["external_id"] or None,
        overdue=listing.flag("overdue"),
        created_after=listing.day("created_from"),
        created_before=listing.day("created_to", after=True),
    )


def _agent_id(listing: Listing) -> int | None:
    name = listing.given["agent"]
    if not name:
        return None
    try:
        return services().agents.named(name).id
    except (InvalidInput, NotFound) as error:
        listing.note(error, "agent")
        return None


def _customer_id(listing: Listing) -> int | None:
    given = listing.given["customer_id"]
    if not given:
        return None
    if not (given.isascii() and given.isdigit() and len(given) < 19):
        listing.problems["customer_id"] = "must be a positive whole number"
        return None
    return int(given)
