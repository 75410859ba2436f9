"""Paths that ticket-system alone had. The others are ours as well: see `service.api.dialects.edits` and `people`."""

from __future__ import annotations

from flask import Response

from service.api import answers
from service.api.access import allow, caller
from service.api.dialects.tops import listed, top_up
from service.api.idempotency import idempotent
from service.api.openapi import outcomes, resource
from service.api.schemas.dialects import SoldIdsAnswer, TicketIdsInput, TicketListAnswer, sold_ids_json
from service.api.schemas.moves import NothingInput
from service.api.schemas.tickets import ticket_json
from service.api.services import services
from service.domain.errors import AgentAway, AgentInactive
from service.domain.model import Role
from service.usecases.lifecycle import Sale

ticket_system = resource(
    "ticket_system", "/api/tickets", tag="Compatibility: ticket-system", about="For clients of that system"
)


@ticket_system.post("/fetch_tickets", responses=outcomes(200, TicketListAnswer, AgentInactive, AgentAway))
@allow(Role.AGENT, sees_hand=True)
@idempotent
def fetch_tickets_as_list(body: NothingInput) -> Response:  # noqa: ARG001
    """Top the caller's hand up and list it in creation order. Ours is `POST /api/tickets/fetch`."""
    return listed(top_up(), ticket_json)


@ticket_system.post("/sell_tickets", responses=outcomes(200, SoldIdsAnswer))
@allow(Role.AGENT)
@idempotent
def sell_tickets_by_id(body: TicketIdsInput) -> Response:
    """Sell several held tickets to nobody in particular, each on its own. Ours is `POST /api/tickets/sell`."""
    sales = [Sale(ticket_id, None) for ticket_id in dict.fromkeys(body.ticket_ids)]
    return answers.answer(sold_ids_json(services().lifecycle.sell_many(caller().user_id, sales)))
