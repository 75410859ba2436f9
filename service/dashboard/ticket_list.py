"""The admins' list of tickets, as an address asks for it: the table and the export read it alike."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from flask import request
from werkzeug.datastructures import MultiDict

from service.api.services import services
from service.dashboard.listing import Listing
from service.domain.errors import InvalidInput, NotFound
from service.domain.model import Priority, TicketStatus
from service.usecases.ports.tickets import TicketFilter

FILTERS = (
    "q",
    "status",
    "priority",
    "agent",
    "overdue",
    "created_from",
    "created_to",
    "external_id",
    "customer_id",
    "archived",
)
LABELS = {
    "q": "Search",
    "status": "Status",
    "priority": "Priority",
    "agent": "Agent",
    "overdue": "Overdue",
    "created_from": "Created from",
    "created_to": "Created to",
    "external_id": "External id",
    "customer_id": "Customer's number",
    "archived": "In the archive",
}
SORTS = {"id": "Number", "subject": "Subject", "updated_at": "Last change"}


def ticket_list(query: str | None = None) -> Listing:
    """Read what the list is to show, from this request's address or from a query of one."""
    args = request.args if query is None else MultiDict(parse_qsl(query))
    return Listing(names=FILTERS, sorts=tuple(SORTS), default_sort="-id", endpoint="dashboard.tickets", args=args)


def query_of(listing: Listing) -> str:
    """Write a list's filters down as a query."""
    return urlencode([(name, text) for name in FILTERS for text in listing.args.getlist(name) if text])


def in_words(listing: Listing) -> list[tuple[str, str]]:
    """Say which filters are set, and to what."""
    given = {name: ", ".join(text for text in listing.args.getlist(name) if text) for name in FILTERS}
    return [
        (LABELS[name], text.replace("_", " ") if name == "status" else text) for name, text in given.items() if text
    ]


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
        archived=listing.flag("archived") is True,
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
