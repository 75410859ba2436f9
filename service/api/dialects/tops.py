"""Topping a hand up for clients that expect a plain list, some of them by GET."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Response, request

from service.api import answers
from service.api.access import caller, hand_seen
from service.api.idempotency import operation_id
from service.api.schemas.moves import SERVED_BY_HEADER
from service.api.services import services
from service.api.telemetry import metrics
from service.domain.model import Ticket
from service.usecases.assignments import Hand


def top_up() -> Hand:
    """Top the caller's hand up. HEAD, which must change nothing, only looks."""
    if request.method == "HEAD":
        return services().assignments.held(caller().user_id, seen=hand_seen())
    dealt = services().assignments.fetch(caller().user_id, operation_id=operation_id(), seen=hand_seen())
    metrics().count_fetch(served_by=dealt.served_by, assigned=dealt.assigned_now)
    return dealt


def listed(hand: Hand, describe: Callable[[Ticket], Any], *, key: Callable[[Ticket], Any] | None = None) -> Response:
    """Answer with a hand as a plain list, in creation order or by `key`."""
    held = hand.tickets if key is None else sorted(hand.tickets, key=key)
    response = answers.answer([describe(ticket) for ticket in held])
    response.headers[SERVED_BY_HEADER] = hand.served_by
    return response
