"""Giving tickets back, and selling them: the acts that ask something first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from uuid import UUID

from flask import Response, request, url_for

from service.api.access import caller
from service.api.services import services
from service.dashboard import looks
from service.dashboard.blueprint import allow, dashboard
from service.dashboard.forms import form_page, ids, problems_of
from service.dashboard.notices import say
from service.dashboard.once import once
from service.dashboard.rendering import go, go_to
from service.dashboard.views.desk import tell
from service.domain.errors import InvalidInput
from service.domain.model import Role
from service.usecases.desk import Act, glimpse
from service.usecases.lifecycle import Sale
from service.usecases.ports.tickets import Buyer


@dashboard.get("/desk/release")
@allow(Role.AGENT)
def desk_release() -> Response:
    """Ask why tickets go back."""
    return _ask("desk_release.html", ids("ticket"))


@dashboard.post("/desk/release")
@allow(Role.AGENT)
def desk_release_now() -> Response:
    """Give tickets back to their places in the queue."""
    chosen = ids("ticket")
    try:
        return go(once(partial(_release, chosen)))
    except InvalidInput as error:
        return _ask("desk_release.html", chosen, problems_of(error))


def _release(chosen: Sequence[int], _: UUID | None) -> str:
    reason = request.form.get("reason", "")
    tell(services().desks.work(caller().user_id, Act.RELEASE, chosen, reason=reason), "given back")
    return url_for("dashboard.desk")


@dashboard.get("/desk/sell")
@allow(Role.AGENT)
def desk_sell() -> Response:
    """Ask whom tickets are sold to."""
    return _ask("desk_sell.html", ids("ticket"))


@dashboard.post("/desk/sell")
@allow(Role.AGENT)
def desk_sell_now() -> Response:
    """Sell tickets to one customer."""
    chosen = ids("ticket")
    try:
        return go(once(partial(_sell, chosen)))
    except InvalidInput as error:
        return _ask("desk_sell.html", chosen, problems_of(error))


def _sell(chosen: Sequence[int], _: UUID | None) -> str:
    buyer = Buyer(name=request.form.get("name", ""), email=request.form.get("email", ""))
    results = services().lifecycle.sell_many(caller().user_id, [Sale(ticket_id, buyer) for ticket_id in chosen])
    _raise_if_buyer_bad([result.error for result in results])
    tell(results, f"sold to {buyer.name.strip()}")
    return url_for("dashboard.desk")


def _raise_if_buyer_bad(errors: Sequence[Exception | None]) -> None:
    """Raise what is wrong with the customer, which keeps every sale back and is for the form to say."""
    for error in errors:
        if isinstance(error, InvalidInput):
            raise error


def _ask(template: str, chosen: Sequence[int], problems: Mapping[str, str] | None = None) -> Response:
    """Show a form for those of the tickets that the agent has, or saw last: a sale may be told late."""
    hand = services().desks.read(caller().user_id).hand
    held = [replace(glimpse(ticket), subject=ticket.subject) for ticket in hand]
    known = {each.ticket_id: each for each in [*(looks.seen() or ()), *held]}
    tickets = [known[ticket_id] for ticket_id in sorted(chosen) if ticket_id in known]
    if not tickets:
        say("warning", "None of these tickets is in your hand any more.")
        return go_to("dashboard.desk")
    return form_page(
        template,
        problems,
        tickets=tickets,
    )
