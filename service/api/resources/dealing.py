"""What admins do about who has a ticket."""

from __future__ import annotations

from flask import Response

from service.api import answers
from service.api.access import allow, caller
from service.api.epochs import expected_epoch
from service.api.idempotency import idempotent
from service.api.openapi import outcomes, resource
from service.api.resources.tickets import with_etag
from service.api.schemas.moves import (
    AssignInput,
    AssignmentsInput,
    ChangesAnswer,
    NoteInput,
    PrioritiesInput,
    changes_json,
)
from service.api.schemas.tickets import TicketAnswer, TicketPath
from service.api.services import services
from service.domain.errors import AgentAtCapacity, AgentAway, AgentInactive, IllegalMove, NotFound, StaleEpoch
from service.domain.model import Role

dealing = resource("dealing", "/api/tickets", tag="Dealing", about="Who has which ticket")


@dealing.post("/assign", responses=outcomes(200, ChangesAnswer))
@allow(Role.ADMIN)
@idempotent
def assign_tickets(body: AssignmentsInput) -> Response:
    """Give several tickets to agents, each on its own: one that cannot be given keeps no other back."""
    return answers.answer(changes_json(services().bulk.assign(body.wanted(), actor_id=caller().user_id)))


@dealing.post("/priority", responses=outcomes(200, ChangesAnswer))
@allow(Role.ADMIN)
@idempotent
def prioritise_tickets(body: PrioritiesInput) -> Response:
    """Give several tickets a priority, each on its own; a queued one moves to its place in the other queue."""
    results = services().bulk.set_priority(body.wanted(), body.priority, actor_id=caller().user_id)
    return answers.answer(changes_json(results))


@dealing.post(
    "/<id:ticket_id>/assign",
    responses=outcomes(200, TicketAnswer, NotFound, AgentInactive, AgentAway, AgentAtCapacity, IllegalMove, StaleEpoch),
)
@allow(Role.ADMIN)
def assign_ticket(path: TicketPath, body: AssignInput) -> Response:
    """Give an open or held ticket to an agent, whatever its priority."""
    ticket = services().lifecycle.assign(
        path.ticket_id, agent_id=body.agent_id, actor_id=caller().user_id, expected_epoch=expected_epoch()
    )
    return with_etag(ticket)


@dealing.post("/<id:ticket_id>/return", responses=outcomes(200, TicketAnswer, NotFound, IllegalMove, StaleEpoch))
@allow(Role.ADMIN)
def return_ticket(path: TicketPath, body: NoteInput) -> Response:
    """Take a held ticket from its agent and put it back to its place in the queue."""
    ticket = services().lifecycle.return_one(
        path.ticket_id, actor_id=caller().user_id, reason=body.reason, expected_epoch=expected_epoch()
    )
    return with_etag(ticket)


@dealing.post("/<id:ticket_id>/reopen", responses=outcomes(200, TicketAnswer, NotFound, IllegalMove, StaleEpoch))
@allow(Role.ADMIN)
def reopen_ticket(path: TicketPath, body: NoteInput) -> Response:
    """Put a resolved or closed ticket back to its place in the queue."""
    ticket = services().lifecycle.reopen(
        path.ticket_id, actor_id=caller().user_id, reason=body.reason, expected_epoch=expected_epoch()
    )
    return with_etag(ticket)
