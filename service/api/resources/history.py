"""Looking back at a ticket: notes, why it is where it is, and how long it took."""

from __future__ import annotations

from flask import Response

from service.api import answers
from service.api.access import ANYBODY, allow, caller
from service.api.idempotency import idempotent, operation_id
from service.api.openapi import outcomes, resource
from service.api.schemas.explanation import ExplanationAnswer, explanation_json
from service.api.schemas.history import RemarkInput
from service.api.schemas.paging import Paging
from service.api.schemas.service_levels import ServiceLevelAnswer, service_level_json
from service.api.schemas.tickets import EventAnswer, EventPage, TicketPath, event_json
from service.api.services import services
from service.domain.errors import NotFound, TicketArchived
from service.domain.model import Role

history = resource("history", "/api/tickets", tag="History", about="What happened to a ticket, and why")


@history.post("/<id:ticket_id>/notes", responses=outcomes(201, EventAnswer, NotFound, TicketArchived))
@allow(Role.ADMIN, Role.AGENT)
@idempotent
def add_note(path: TicketPath, body: RemarkInput) -> Response:
    """Add a note to a ticket's history; an agent, to tickets they hold or held."""
    event = services().history.note(path.ticket_id, body.note, author=caller(), operation_id=operation_id())
    return answers.created(event_json(event), f"/api/tickets/{path.ticket_id}/notes")


@history.get("/<id:ticket_id>/notes", responses=outcomes(200, EventPage, NotFound))
@allow(*ANYBODY)
def list_notes(path: TicketPath, query: Paging) -> Response:
    """List a ticket's notes, oldest first; an agent sees those of tickets they hold or held."""
    return answers.page(services().history.notes(path.ticket_id, query.request(), viewer=caller()), event_json)


@history.get("/<id:ticket_id>/explain", responses=outcomes(200, ExplanationAnswer, NotFound))
@allow(*ANYBODY)
def explain_ticket(path: TicketPath) -> Response:
    """Say where a ticket stands in its queue or who has it, since when, why, and who may take it."""
    return answers.answer(explanation_json(services().explanations.explain(path.ticket_id, viewer=caller())))


@history.get("/<id:ticket_id>/service-levels", responses=outcomes(200, ServiceLevelAnswer, NotFound))
@allow(*ANYBODY)
def read_service_levels(path: TicketPath) -> Response:
    """Say how long a ticket took, or is taking, against the targets of its priority."""
    return answers.answer(service_level_json(services().service_levels.of(path.ticket_id, viewer=caller())))
