"""All tickets, for admins: searched, filtered, sorted, page by page, and written to a file."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from flask import Response

from service.api import answers
from service.api.access import caller
from service.api.media import CONTENT_TYPES
from service.api.services import services
from service.dashboard import news
from service.dashboard.agent_choice import choices
from service.dashboard.blueprint import allow, dashboard
from service.dashboard.forms import choice
from service.dashboard.listing import Listing, read, show
from service.dashboard.ticket_list import SORTS, query_of, ticket_list, wanted_tickets
from service.domain.errors import InvalidInput
from service.domain.model import Page, Priority, Role, Ticket, TicketStatus
from service.usecases.ticket_files import FileFormat


@dashboard.get("/tickets")
@allow(Role.ADMIN)
def tickets() -> Response:
    """Show the tickets."""
    listing = ticket_list()
    found = _found(listing)
    shown = news.shown(found.items)
    agents = {ticket.agent_id for ticket in found.items if ticket.agent_id is not None}
    return show(
        "admin/tickets.html",
        listing,
        found,
        names=services().users.usernames(agents),
        agents=choices(),
        statuses=list(TicketStatus),
        priorities=list(Priority),
        sorts=SORTS,
        list_query=query_of(listing),
        shown=shown,
        news_etag=news.etag(shown, shown),
    )


@dashboard.get("/tickets/news")
@allow(Role.ADMIN)
def tickets_news() -> Response:
    """Tell how many tickets of a list have changed since it was shown."""
    listing = ticket_list()
    return news.tell(listing, _found(listing, is_counted=False).items, "ticket")


def _found(listing: Listing, *, is_counted: bool = True) -> Page[Ticket]:
    find = partial(services().tickets.page, wanted_tickets(listing), viewer=caller())
    return read(listing, find, is_counted=is_counted)


@dashboard.get("/tickets/export")
@allow(Role.ADMIN)
def tickets_export() -> Response:
    """Write the tickets of the list to a file."""
    listing, format_ = ticket_list(), choice("format", FileFormat)
    wanted = wanted_tickets(listing)
    if listing.problems:
        raise InvalidInput(*listing.problems.items())
    chunks = services().ticket_export.chunks(wanted, format=format_)
    name = f"tickets-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.{format_}"
    return answers.download(chunks, media_type=CONTENT_TYPES[format_], name=name)
