"""An agent's hand: fetch, look, and work the tickets in it."""

from __future__ import annotations

from flask import Response

from service.api import answers
from service.api.access import allow, caller, hand_seen
from service.api.dialects.refusals import AlreadySold, sold_once
from service.api.epochs import expected_epoch, set_etag
from service.api.idempotency import idempotent, operation_id
from service.api.openapi import outcomes, resource
from service.api.resources.tickets import with_etag
from service.api.schemas.moves import (
    SERVED_BY_HEADER,
    FetchInput,
    HandAnswer,
    NothingInput,
    ReasonInput,
    SaleInput,
    SalesAnswer,
    SalesInput,
    SoldAnswer,
    hand_json,
    sales_json,
    sold_json,
)
from service.api.schemas.tickets import TicketAnswer, TicketPath
from service.api.services import services
from service.api.telemetry import log_too, metrics
from service.domain.errors import (
    AgentAtCapacity,
    AgentAway,
    AgentInactive,
    IllegalMove,
    NotFound,
    StaleEpoch,
    TicketArchived,
    TicketTaken,
)
from service.domain.model import Role

hand = resource("hand", "/api/tickets", tag="Hand", about="Getting and working tickets")


@hand.post("/fetch", responses=outcomes(200, HandAnswer, AgentInactive, AgentAway))
@allow(Role.AGENT, sees_hand=True)
@idempotent
def fetch_tickets(body: FetchInput) -> Response:
    """Top the caller's hand up, oldest tickets first; harmless to repeat."""
    dealt = services().assignments.fetch(
        caller().user_id, limit=body.limit, operation_id=operation_id(), seen=hand_seen()
    )
    metrics().count_fetch(served_by=dealt.served_by, assigned=dealt.assigned_now)
    log_too(assigned=dealt.assigned_now, served_by=dealt.served_by)
    response = answers.answer(hand_json(dealt))
    response.headers[SERVED_BY_HEADER] = dealt.served_by
    return response


@hand.get("/held", responses=outcomes(200, HandAnswer))
@allow(Role.AGENT, sees_hand=True)
def list_held() -> Response:
    """Read what the caller holds, in creation order."""
    return answers.answer(hand_json(services().assignments.held(caller().user_id, seen=hand_seen())))


@hand.post(
    "/<id:ticket_id>/start",
    responses=outcomes(200, TicketAnswer, NotFound, IllegalMove, AgentAtCapacity, TicketArchived, StaleEpoch),
)
@allow(Role.AGENT)
def start_ticket(path: TicketPath, body: NothingInput) -> Response:  # noqa: ARG001
    """Begin work on a held ticket, or take up a resolved one again if the hand has room."""
    ticket = services().lifecycle.start(caller().user_id, path.ticket_id, expected_epoch=expected_epoch())
    return with_etag(ticket)


@hand.post(
    "/<id:ticket_id>/resolve",
    responses=outcomes(200, TicketAnswer, NotFound, IllegalMove, TicketTaken, TicketArchived, StaleEpoch),
)
@allow(Role.AGENT)
def resolve_ticket(path: TicketPath, body: NothingInput) -> Response:  # noqa: ARG001
    """Resolve a held ticket, which frees its slot.

    So is one that was taken back from the caller for being slow or away, as long as nobody else has had it; the ETag
    they know it by is good for that.
    """
    ticket = services().lifecycle.resolve(caller().user_id, path.ticket_id, expected_epoch=expected_epoch())
    return with_etag(ticket)


@hand.post(
    "/<id:ticket_id>/close", responses=outcomes(200, TicketAnswer, NotFound, IllegalMove, TicketArchived, StaleEpoch)
)
@allow(Role.AGENT)
def close_ticket(path: TicketPath, body: NothingInput) -> Response:  # noqa: ARG001
    """Close a resolved ticket."""
    ticket = services().lifecycle.close(caller().user_id, path.ticket_id, expected_epoch=expected_epoch())
    return with_etag(ticket)


@hand.post(
    "/<id:ticket_id>/release", responses=outcomes(200, TicketAnswer, NotFound, IllegalMove, TicketArchived, StaleEpoch)
)
@allow(Role.AGENT)
def release_ticket(path: TicketPath, body: ReasonInput) -> Response:
    """Give a held ticket back to its place in the queue, with a reason."""
    ticket = services().lifecycle.release(
        caller().user_id, path.ticket_id, reason=body.reason, expected_epoch=expected_epoch()
    )
    return with_etag(ticket)


@hand.post(
    "/<id:ticket_id>/sell",
    responses=outcomes(200, SoldAnswer, NotFound, AlreadySold, IllegalMove, TicketTaken, TicketArchived, StaleEpoch),
)
@allow(Role.AGENT)
@idempotent
def sell_ticket(path: TicketPath, body: SaleInput) -> Response:
    """Sell a held ticket to a customer, which frees its slot; repeating the same sale changes nothing.

    A sale that names no customer is possible, for clients that know none; repeating that is refused. A ticket that was
    taken back from the caller for being slow or away is sold as well, as long as nobody else has had it since.
    """
    with sold_once(named=body.customer is not None):
        ticket = services().lifecycle.sell(
            caller().user_id, path.ticket_id, body.buyer(), expected_epoch=expected_epoch()
        )
    response = answers.answer(sold_json(ticket))
    set_etag(response, ticket)
    return response


@hand.post("/sell", responses=outcomes(200, SalesAnswer))
@allow(Role.AGENT)
@idempotent
def sell_tickets(body: SalesInput) -> Response:
    """Sell several held tickets, each on its own: one that cannot be sold keeps no other from being sold."""
    return answers.answer(sales_json(services().lifecycle.sell_many(caller().user_id, body.wanted())))
