"""Tickets as records."""

from __future__ import annotations

from flask import Response

from service.api import answers
from service.api.access import ANYBODY, allow, caller
from service.api.epochs import expected_epoch, set_etag
from service.api.idempotency import idempotent, operation_id
from service.api.openapi import outcomes, resource
from service.api.schemas.paging import Paging
from service.api.schemas.tickets import (
    EventPage,
    TicketAnswer,
    TicketInput,
    TicketPage,
    TicketPatch,
    TicketPath,
    TicketQuery,
    event_json,
    ticket_json,
)
from service.api.services import services
from service.domain.errors import NotFound, StaleEpoch
from service.domain.model import Role, Ticket

tickets = resource("tickets", "/api/tickets", tag="Tickets", about="Tickets as records")


def with_etag(ticket: Ticket) -> Response:
    """Answer with one ticket and its ETag."""
    response = answers.answer(ticket_json(ticket))
    set_etag(response, ticket)
    return response


@tickets.get("", responses=outcomes(200, TicketPage))
@allow(*ANYBODY)
def list_tickets(query: TicketQuery) -> Response:
    """List tickets; an agent sees their own alone."""
    return answers.page(services().tickets.page(query.wanted(), query.request(), viewer=caller()), ticket_json)


@tickets.post("", responses=outcomes(201, TicketAnswer))
@allow(Role.ADMIN)
@idempotent
def create_ticket(body: TicketInput) -> Response:
    """Create a ticket; it queues itself."""
    ticket = services().tickets.create(body.draft(), actor_id=caller().user_id, operation_id=operation_id())
    response = answers.created(ticket_json(ticket), f"/api/tickets/{ticket.id}")
    set_etag(response, ticket)
    return response


@tickets.get("/<id:ticket_id>", responses=outcomes(200, TicketAnswer, NotFound))
@allow(*ANYBODY)
def read_ticket(path: TicketPath) -> Response:
    """Read a ticket; for an agent, somebody else's is not there."""
    return with_etag(services().tickets.get(path.ticket_id, viewer=caller()))


@tickets.put("/<id:ticket_id>", responses=outcomes(200, TicketAnswer, NotFound, StaleEpoch))
@allow(Role.ADMIN)
def replace_ticket(path: TicketPath, body: TicketInput) -> Response:
    """Replace a ticket's subject, description and priority; what is left out takes its default."""
    ticket = services().tickets.update(
        path.ticket_id, body.replacement(), actor_id=caller().user_id, expected_epoch=expected_epoch()
    )
    return with_etag(ticket)


@tickets.patch("/<id:ticket_id>", responses=outcomes(200, TicketAnswer, NotFound, StaleEpoch))
@allow(Role.ADMIN)
def change_ticket(path: TicketPath, body: TicketPatch) -> Response:
    """Change some of a ticket's subject, description and priority."""
    ticket = services().tickets.update(
        path.ticket_id, body.changes(), actor_id=caller().user_id, expected_epoch=expected_epoch()
    )
    return with_etag(ticket)


@tickets.delete("/<id:ticket_id>", responses=outcomes(204, None, NotFound, StaleEpoch))
@allow(Role.ADMIN)
def delete_ticket(path: TicketPath) -> Response:
    """Delete a ticket: it leaves queue and hand, its history stays."""
    services().tickets.delete(path.ticket_id, actor_id=caller().user_id, expected_epoch=expected_epoch())
    return answers.nothing()


@tickets.get("/<id:ticket_id>/history", responses=outcomes(200, EventPage, NotFound))
@allow(*ANYBODY)
def read_history(path: TicketPath, query: Paging) -> Response:
    """List what happened to a ticket, oldest first."""
    return answers.page(services().tickets.history(path.ticket_id, query.request(), viewer=caller()), event_json)
