"""One ticket as its agent sees it: what it says, what happened to it, what to do with it, and notes."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from flask import Response, request, url_for

from service.api.access import caller
from service.api.services import services
from service.dashboard.blueprint import allow, dashboard
from service.dashboard.forms import form_page, problems_of
from service.dashboard.notices import say
from service.dashboard.once import once
from service.dashboard.rendering import go
from service.domain.errors import InvalidInput
from service.domain.model import Role
from service.usecases.ports.paging import PageRequest

EVENTS = 100
"""Lines of history on the page; the API has them all."""


@dashboard.get("/desk/tickets/<id:ticket_id>")
@allow(Role.AGENT)
def desk_ticket(ticket_id: int) -> Response:
    """Show a ticket that the agent has."""
    return _show(ticket_id)


@dashboard.post("/desk/tickets/<id:ticket_id>")
@allow(Role.AGENT)
def desk_ticket_note(ticket_id: int) -> Response:
    """Add a note to it."""
    try:
        return go(once(partial(_note, ticket_id)))
    except InvalidInput as error:
        return _show(ticket_id, problems=problems_of(error))


def _note(ticket_id: int, operation_id: UUID | None) -> str:
    services().history.note(ticket_id, request.form.get("note", ""), author=caller(), operation_id=operation_id)
    say("done", "Your note is kept.")
    return url_for("dashboard.desk_ticket", ticket_id=ticket_id)


def _show(ticket_id: int, problems: dict[str, str] | None = None) -> Response:
    ticket = services().tickets.get(ticket_id, viewer=caller())
    events = services().tickets.history(ticket_id, PageRequest(limit=EVENTS), viewer=caller()).items
    named = {event.actor_id for event in events if event.actor_id is not None}
    return form_page(
        "desk_ticket.html",
        problems,
        ticket=ticket,
        events=events,
        names=services().users.usernames(named),
        levels=services().service_levels.of(ticket_id, viewer=caller()),
    )
