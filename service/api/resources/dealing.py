"""What admins do about who has a ticket."""

from __future__ import annotations

from flask import Response

from service.api import answers
from service.api.access import allow, caller
from service.api.epochs import expected_epoch, set_etag
from service.api.idempotency import idempotent
from service.api.openapi import outcomes, resource
from service.api.resources.tickets import with_etag
from service.api.schemas.moves import (
    AssignInput,
    AssignmentsInput,
    ChangesAnswer,
    MovedAnswer,
    NoteInput,
    PrioritiesInput,
    TicketReturnInput,
    changes_json,
)
from service.api.schemas.tickets import TicketAnswer, TicketPath, ticket_json
from service.api.services import services
from service.domain.errors import (
    AgentAtCapacity,
    AgentAway,
    AgentInactive,
    IllegalMove,
    NotFound,
    StaleEpoch,
    TicketArchived,
)
from service.domain.model import Role, Ticket

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
    responses=outcomes(
        200, MovedAnswer, NotFound, AgentInactive, AgentAway, AgentAtCapacity, IllegalMove, TicketArchived, StaleEpoch
    ),
)
@allow(Role.ADMIN)
def assign_ticket(path: TicketPath, body: AssignInput) -> Response:
    """Give an open or held ticket to an agent, whatever its priority, or say what that would be."""
    ticket = services().lifecycle.assign(
        path.ticket_id,
        agent_id=body.agent_id,
        actor_id=caller().user_id,
        expected_epoch=expected_epoch(),
        dry_run=body.dry_run,
    )
    return _moved(ticket, dry_run=body.dry_run)


@dealing.post(
    "/<id:ticket_id>/return", responses=outcomes(200, MovedAnswer, NotFound, IllegalMove, TicketArchived, StaleEpoch)
)
@allow(Role.ADMIN)
def return_ticket(path: TicketPath, body: TicketReturnInput) -> Response:
    """Take a held ticket from its agent and put it back to its place in the queue, or say what that would be."""
    ticket = services().lifecycle.return_one(
        path.ticket_id,
        actor_id=caller().user_id,
        reason=body.reason,
        expected_epoch=expected_epoch(),
        dry_run=body.dry_run,
    )
    return _moved(ticket, dry_run=body.dry_run)


def _moved(ticket: Ticket, *, dry_run: bool) -> Response:
    """Answer with a ticket, and with its ETag unless that does not exist."""
    response = answers.answer({**ticket_json(ticket), "dry_run": dry_run})
    if not dry_run:
        set_etag(response, ticket)
    return response


@dealing.post(
    "/<id:ticket_id>/reopen", responses=outcomes(200, TicketAnswer, NotFound, IllegalMove, TicketArchived, StaleEpoch)
)
@allow(Role.ADMIN)
def reopen_ticket(path: TicketPath, body: NoteInput) -> Response:
    """Put a resolved or closed ticket back to its place in the queue; a closed one also from the archive."""
    ticket = services().lifecycle.reopen(
        path.ticket_id, actor_id=caller().user_id, reason=body.reason, expected_epoch=expected_epoch()
    )
    return with_etag(ticket)
