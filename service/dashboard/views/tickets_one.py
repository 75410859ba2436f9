"""One ticket for admins: everything about it, notes, and the forms to write and reword one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from uuid import UUID

from flask import Response, request, url_for

from service.api.access import caller
from service.api.services import services
from service.dashboard.blueprint import allow, dashboard
from service.dashboard.forms import form_page, problems_of
from service.dashboard.notices import say
from service.dashboard.once import once
from service.dashboard.people_forms import problems_in
from service.dashboard.rendering import go
from service.dashboard.written import changed_text, plain_text
from service.domain.errors import AlreadyExists, InvalidInput
from service.domain.model import Priority, Role, Ticket, TicketEvent
from service.domain.ticket_rules import clean_row
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.tickets import TicketChanges, TicketDraft

EVENTS = 100


@dashboard.get("/tickets/<id:ticket_id>")
@allow(Role.ADMIN)
def ticket(ticket_id: int) -> Response:
    """Show a ticket."""
    return _show(ticket_id)


@dashboard.post("/tickets/<id:ticket_id>")
@allow(Role.ADMIN)
def ticket_note(ticket_id: int) -> Response:
    """Add a note to it."""
    try:
        return go(once(partial(_note, ticket_id)))
    except InvalidInput as error:
        return _show(ticket_id, problems_of(error))


def _note(ticket_id: int, operation_id: UUID | None) -> str:
    note = plain_text("note")
    services().history.note(ticket_id, note, author=caller(), operation_id=operation_id)
    say("done", "Your note is kept.")
    return url_for("dashboard.ticket", ticket_id=ticket_id)


def _show(ticket_id: int, problems: Mapping[str, str] | None = None) -> Response:
    explained = services().explanations.explain(ticket_id, viewer=caller())
    asked = PageRequest(limit=EVENTS, cursor=request.args.get("cursor") or None)
    events = services().tickets.history(ticket_id, asked, viewer=caller())
    customer_id = explained.ticket.customer_id
    return form_page(
        "admin/ticket.html",
        problems,
        ticket=explained.ticket,
        explained=explained,
        events=events,
        names=services().users.usernames(_people(explained.ticket, events.items)),
        levels=services().service_levels.of(ticket_id, viewer=caller()),
        customer=None if customer_id is None else services().customers.get(customer_id),
    )


def _people(found: Ticket, events: tuple[TicketEvent, ...]) -> set[int]:
    """List everybody whom the page names."""
    named = [found.agent_id, found.created_by]
    named += [who for event in events for who in (event.actor_id, event.agent_id, event.from_agent_id)]
    return {user_id for user_id in named if user_id is not None}


@dashboard.get("/tickets/new")
@allow(Role.ADMIN)
def ticket_new() -> Response:
    """Show the form for a ticket."""
    return _form(None)


@dashboard.post("/tickets/new")
@allow(Role.ADMIN)
def ticket_create() -> Response:
    """Create a ticket; it queues itself."""
    try:
        return go(once(_create))
    except (InvalidInput, AlreadyExists) as error:
        return _form(None, problems_in(error))


def _create(operation_id: UUID | None) -> str:
    subject, description, priority, external_id = _checked()
    draft = TicketDraft(subject=subject, description=description, priority=priority, external_id=external_id)
    created = services().tickets.create(draft, actor_id=caller().user_id, operation_id=operation_id)
    say("done", f"Ticket {created.id} is created; it waits in the queue.")
    return url_for("dashboard.ticket", ticket_id=created.id)


@dashboard.get("/tickets/<id:ticket_id>/edit")
@allow(Role.ADMIN)
def ticket_edit(ticket_id: int) -> Response:
    """Show the form to reword a ticket."""
    return _form(services().tickets.get(ticket_id, viewer=caller()))


@dashboard.post("/tickets/<id:ticket_id>/edit")
@allow(Role.ADMIN)
def ticket_change(ticket_id: int) -> Response:
    """Change what was changed in the form: what somebody else changed meanwhile stays."""
    try:
        return go(once(partial(_change, ticket_id)))
    except InvalidInput as error:
        return _form(services().tickets.get(ticket_id, viewer=caller()), problems_of(error))


def _change(ticket_id: int, _: UUID | None) -> str:
    _checked()
    priority = changed_text("priority")
    changes = TicketChanges(
        subject=changed_text("subject"),
        description=changed_text("description"),
        priority=None if priority is None else Priority(priority),
    )
    services().tickets.update(ticket_id, changes, actor_id=caller().user_id)
    say("done", f"Ticket {ticket_id} is changed." if changes != TicketChanges() else "Nothing was changed.")
    return url_for("dashboard.ticket", ticket_id=ticket_id)


def _checked() -> tuple[str, str, Priority, str | None]:
    """Read what the form says. Raises one `InvalidInput` that names every bad field."""
    return clean_row(
        subject=request.form.get("subject", ""),
        description=plain_text("description"),
        priority=request.form.get("priority", ""),
        external_id=request.form.get("external_id", ""),
    )


def _form(found: Ticket | None, problems: Mapping[str, str] | None = None) -> Response:
    return form_page(
        "admin/ticket_form.html",
        problems,
        ticket=found,
    )
