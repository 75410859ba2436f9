"""Paths that support-ticket-system alone had, its way of signing in first of all."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from service.api import answers, long_lived
from service.api.access import allow, anonymous, caller
from service.api.dialects.refusals import StatusRefused
from service.api.dialects.shared import STATUS_WORDS, four_states_json
from service.api.dialects.tops import listed, top_up
from service.api.openapi import outcomes, resource
from service.api.schemas.dialects import (
    AssignmentListAnswer,
    DoneAnswer,
    StatusInput,
    TokenAnswer,
)
from service.api.schemas.sessions import LoginInput
from service.api.services import services
from service.domain.errors import (
    AgentAway,
    AgentInactive,
    IllegalMove,
    NotFound,
    PasswordsBusy,
    TicketTaken,
    TooManyTries,
    WrongCredentials,
)
from service.domain.model import Role, Ticket, TicketStatus

TAG = "Compatibility: support-ticket-system"

long_lived_tokens = resource("long_lived_tokens", "/api-token-auth", tag=TAG, about="For clients of that system")
assignments = resource("assignments", "/api/agent/tickets", tag=TAG)

NEXT = {"assigned": TicketStatus.RESOLVED, "resolved": TicketStatus.CLOSED}
"""The one state that may follow each, in that system's words and ours."""

LATE = "assigned"
"""What a ticket was that has been taken back."""


@long_lived_tokens.post("", responses=outcomes(200, TokenAnswer, WrongCredentials, TooManyTries, PasswordsBusy))
@anonymous
def get_token(body: LoginInput) -> Response:
    """Get a long-lived token, to be sent as `Authorization: Token <token>`; `POST /api/token/revoke` ends it."""
    token = long_lived.new_token()
    services().sessions.login(
        body.username,
        body.password,
        address=request.remote_addr,
        session_id=long_lived.session_of(token),
        life=long_lived.LIFE,
    )
    return answers.answer({"token": token})


@assignments.get("", responses=outcomes(200, AssignmentListAnswer, AgentInactive, AgentAway))
@allow(Role.AGENT, sees_hand=True)
def list_assignments() -> Response:
    """Top the caller's hand up and list it in the order assigned. Ours is `POST /api/tickets/fetch`."""
    return listed(top_up(), _assignment, key=lambda ticket: (ticket.assigned_at, ticket.id))


@assignments.post("", responses=outcomes(200, DoneAnswer, StatusRefused))
@allow(Role.AGENT)
def set_assignment_status(body: StatusInput) -> Response:
    """Resolve an assigned ticket, or close a resolved one. Ours are `POST /api/tickets/{id}/resolve` and `/close`."""
    agent_id, lifecycle = caller().user_id, services().lifecycle
    act = {TicketStatus.RESOLVED: lifecycle.resolve, TicketStatus.CLOSED: lifecycle.close}
    try:
        present = _present(body)
        wanted = NEXT.get(present)
        if wanted is None or wanted != body.status:
            raise _refusal(present, body.status)
        act[wanted](agent_id, body.ticket_id)
    except NotFound as exc:
        raise StatusRefused(f"You have no ticket {body.ticket_id}.") from exc
    except TicketTaken as exc:
        raise StatusRefused(exc.detail) from exc
    except IllegalMove as exc:
        raise _refusal(STATUS_WORDS[TicketStatus(exc.facts["state"])], body.status) from exc
    return answers.answer({"status": "success"})


def _present(body: StatusInput) -> str:
    """Say which state the caller takes the ticket to be in: one taken back from them may still be resolved."""
    try:
        return STATUS_WORDS[services().tickets.get(body.ticket_id, viewer=caller()).status]
    except NotFound:
        if NEXT[LATE] == body.status:
            return LATE
        raise


def _refusal(present: str, wanted: str) -> StatusRefused:
    return StatusRefused(f"Cannot change status from {present} to {wanted}", state=present, wanted=wanted)


def _assignment(ticket: Ticket) -> dict[str, Any]:
    return {
        "id": ticket.id,
        "ticket": four_states_json(ticket),
        "agent": ticket.agent_id,
        "assigned_at": ticket.assigned_at,
        "is_active": True,
    }
