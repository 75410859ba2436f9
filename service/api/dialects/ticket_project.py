"""What ticket_project had for its agents. What it had for admins is in `ticket_project_admin`."""

from __future__ import annotations

from typing import Any

from flask import Response

from service.api import answers
from service.api.access import allow, caller
from service.api.dialects.refusals import CustomerMissing, NotForSale, sold_or_gone
from service.api.dialects.tops import listed, top_up
from service.api.idempotency import idempotent
from service.api.openapi import outcomes, resource
from service.api.schemas.dialects import MessageAnswer, ProjectSaleInput, ProjectTicketListAnswer, project_ticket_json
from service.api.schemas.tickets import TicketPath
from service.api.services import services
from service.domain.errors import AgentAway, AgentInactive
from service.domain.model import Role

TAG = "Compatibility: ticket_project"

ticket_project = resource("ticket_project", "/api/agent", tag=TAG, about="For clients of that system")


@ticket_project.get("/fetch-tickets", responses=outcomes(200, ProjectTicketListAnswer, AgentInactive, AgentAway))
@allow(Role.AGENT, sees_hand=True)
def fetch_project_tickets() -> Response:
    """Top the caller's hand up and list it in creation order. Ours is `POST /api/tickets/fetch`."""
    return listed(top_up(), project_ticket_json)


@ticket_project.post("/sell-ticket/<id:ticket_id>", responses=outcomes(200, MessageAnswer, CustomerMissing, NotForSale))
@allow(Role.AGENT)
@idempotent
def sell_project_ticket(path: TicketPath, body: ProjectSaleInput) -> Response:
    """Sell a held ticket to a customer, once. Ours is `POST /api/tickets/{id}/sell`."""
    with sold_or_gone():
        buyer = body.buyer()
        services().lifecycle.sell(caller().user_id, path.ticket_id, buyer, repeatable=False)
    return answers.answer(_message(path.ticket_id, buyer.name, buyer.email))


def _message(ticket_id: int, name: str, email: str) -> dict[str, Any]:
    return {"message": f"Ticket {ticket_id} has been sold to {name.strip()} ({email.strip().lower()})."}
