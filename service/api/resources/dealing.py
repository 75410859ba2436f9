"""What admins do about who has a ticket."""

from __future__ import annotations

from flask import Response

from service.api.access import allow, caller
from service.api.epochs import expected_epoch
from service.api.openapi import outcomes, resource
from service.api.resources.tickets import with_etag
from service.api.schemas.moves import AssignInput, NoteInput
from service.api.schemas.tickets import TicketAnswer, TicketPath
from service.api.services import services
from service.domain.errors import AgentAtCapacity, AgentAway, AgentInactive, IllegalMove, NotFound, StaleEpoch
from service.domain.model import Role

dealing = resource("dealing", "/api/tickets", tag="Dealing", about="Who has which ticket")


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
