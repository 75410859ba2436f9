"""What an agent saw at their last look: kept by their browser, signed, so that what others change can be told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from flask import Response, g, request
from itsdangerous import BadData

from service.api.access import caller
from service.dashboard.blueprint import dashboard
from service.dashboard.cookies import DAY_S, set_cookie
from service.dashboard.notices import serializer
from service.domain.model import Priority, Ticket, TicketStatus
from service.usecases.desk import Glimpse, glimpse

COOKIE = "fairdeal_look"
LASTS_S = 14 * DAY_S


def dumps(hand: Iterable[Ticket]) -> str:
    """Write down what the agent sees now."""
    seen = [glimpse(ticket) for ticket in hand]
    rows = [[each.ticket_id, each.priority, each.status, each.subject] for each in seen]
    return serializer("look").dumps([caller().user_id, rows])


def remembered() -> str:
    """Read what is written down, as the next request will present it."""
    return cast("str", g.get("look", request.cookies.get(COOKIE, "")))


def seen() -> list[Glimpse] | None:
    """Read what the agent saw; None where they have not looked before, or somebody else did in this browser."""
    return _loads(remembered())


def remember_read(look: str) -> None:
    """Take over a look that a form had shown; nothing happens unless it is one of ours."""
    if _loads(look) is not None:
        remember(look)


def _loads(look: str) -> list[Glimpse] | None:
    try:
        user_id, rows = serializer("look").loads(look)
        return [_glimpse(row) for row in rows] if user_id == caller().user_id else None
    except (BadData, ValueError, TypeError):
        return None


def remember(look: str) -> None:
    """Have the browser keep a look."""
    if look != remembered():
        g.look = look


def _glimpse(row: list[Any]) -> Glimpse:
    ticket_id, priority, status, subject = row
    return Glimpse(
        ticket_id=int(ticket_id), priority=Priority(priority), status=TicketStatus(status), subject=str(subject)
    )


@dashboard.after_request
def _keep(response: Response) -> Response:
    if "look" in g:
        set_cookie(response, COOKIE, g.look, max_age=LASTS_S)
    return response
