"""Tickets as records."""

from __future__ import annotations

from flask import Response

from service.api import answers
from service.api.access import ANYBODY, allow, caller
from service.api.dialects.edits import edit_ticket
from service.api.dialects.shared import describer, is_older_client
from service.api.epochs import expected_epoch, set_etag
from service.api.idempotency import idempotent, operation_id
from service.api.openapi import outcomes, resource
from service.api.schemas.paging import Paging
from service.api.schemas.tickets import (
    EventPage,
    NewTicketInput,
    TicketAnswer,
    TicketPage,
    TicketPatch,
    TicketPath,
    TicketQuery,
    TicketReplacement,
    event_json,
    ticket_json,
)
from service.api.services import services
from service.domain.errors import (
    AgentAtCapacity,
    AgentAway,
    AgentInactive,
    AlreadyExists,
    IllegalMove,
    NotFound,
    StaleEpoch,
    TicketArchived,
)
from service.domain.model import Role, Ticket

tickets = resource("tickets", "/api/tickets", tag="Tickets", about="Tickets as records")

MOVES = (IllegalMove, AgentInactive, AgentAway, AgentAtCapacity, TicketArchived)
"""What may keep a ticket from another state or holder."""


def with_etag(ticket: Ticket) -> Response:
    """Answer with one ticket and its ETag."""
    response = answers.answer(ticket_json(ticket))
    set_etag(response, ticket)
    return response


def _as_record(ticket: Ticket) -> Response:
    """Answer with one ticket and its ETag, in the caller's own words."""
    response = answers.answer(describer([ticket])(ticket))
    set_etag(response, ticket)
    return response


@tickets.get("", responses=outcomes(200, TicketPage))
@allow(*ANYBODY)
def list_tickets(query: TicketQuery) -> Response:
    """List tickets; an agent sees their own alone. What is in the archive is listed by `archived=true`."""
    found = services().tickets.page(query.wanted(), query.request(), viewer=caller())
    return answers.page(found, describer(found.items))


@tickets.post("", responses=outcomes(201, TicketAnswer, AlreadyExists))
@allow(Role.ADMIN)
@idempotent
def create_ticket(body: NewTicketInput) -> Response:
    """Create a ticket; it queues itself.

    Where another ticket has the `external_id`, a deleted one included, none is made: the 409 names it by `ticket_id`. A
    request repeated under its Idempotency-Key gets its own ticket again.
    """
    ticket = services().tickets.create(body.draft(), actor_id=caller().user_id, operation_id=operation_id())
    response = answers.created(describer([ticket])(ticket), f"/api/tickets/{ticket.id}")
    set_etag(response, ticket)
    return response


@tickets.get("/<id:ticket_id>", responses=outcomes(200, TicketAnswer, NotFound))
@allow(*ANYBODY)
def read_ticket(path: TicketPath) -> Response:
    """Read a ticket; for an agent, somebody else's is not there."""
    return _as_record(services().tickets.get(path.ticket_id, viewer=caller()))


@tickets.put("/<id:ticket_id>", responses=outcomes(200, TicketAnswer, NotFound, *MOVES, StaleEpoch))
@allow(Role.ADMIN, Role.AGENT)
def replace_ticket(path: TicketPath, body: TicketReplacement) -> Response:
    """Replace a ticket's subject, description and priority; what is left out takes its default.

    State and holder are changed where they are given. With a slash at the end of the path, a priority left out stays:
    the clients that write it so know of none. An agent changes status and description of a ticket they have, and
    nothing else.
    """
    ticket = edit_ticket(
        path.ticket_id,
        body.changes(given_alone=caller().role is Role.AGENT, knows_priority=not is_older_client()),
        status=body.new_status(),
        agent_id=body.new_agent_id(),
        expected_epoch=expected_epoch(),
    )
    return _as_record(ticket)


@tickets.patch("/<id:ticket_id>", responses=outcomes(200, TicketAnswer, NotFound, *MOVES, StaleEpoch))
@allow(Role.ADMIN, Role.AGENT)
def change_ticket(path: TicketPath, body: TicketPatch) -> Response:
    """Change some of a ticket's subject, description and priority, its state and its holder.

    An agent changes status and description of a ticket they have, and nothing else.
    """
    ticket = edit_ticket(
        path.ticket_id,
        body.changes(),
        status=body.new_status(),
        agent_id=body.new_agent_id(),
        expected_epoch=expected_epoch(),
    )
    return _as_record(ticket)


@tickets.delete("/<id:ticket_id>", responses=outcomes(204, None, NotFound, TicketArchived, StaleEpoch))
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
