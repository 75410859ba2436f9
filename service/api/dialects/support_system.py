"""Paths that support_system alone had. The others are ours as well: see `service.api.dialects.shared` and `people`."""

from __future__ import annotations

from flask import Response

from service.api.access import allow
from service.api.dialects.shared import with_creators
from service.api.dialects.tops import listed, top_up
from service.api.openapi import outcomes, resource
from service.api.schemas.dialects import HandListAnswer
from service.domain.errors import AgentAway, AgentInactive
from service.domain.model import Role

support_system = resource(
    "support_system", "/api/tickets", tag="Compatibility: support_system", about="For clients of that system"
)


@support_system.get("/fetch-tickets", responses=outcomes(200, HandListAnswer, AgentInactive, AgentAway))
@allow(Role.AGENT, sees_hand=True)
def fetch_tickets_by_get() -> Response:
    """Top the caller's hand up and list it in creation order. Ours is `POST /api/tickets/fetch`."""
    hand = top_up()
    return listed(hand, with_creators(hand.tickets))
