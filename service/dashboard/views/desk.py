"""An agent's desk: what is in hand, more of it, and what to do with several tickets at once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from flask import Response, g, request, url_for

from service.api.access import Access, caller, declare
from service.api.services import services
from service.api.telemetry import metrics
from service.dashboard import looks
from service.dashboard.blueprint import allow, dashboard
from service.dashboard.cookies import session_of_cookies
from service.dashboard.forms import choice, ids
from service.dashboard.notices import say
from service.dashboard.once import once
from service.dashboard.rendering import go, go_to, is_unchanged, page, tag, unchanged
from service.dashboard.wording import counted, words
from service.domain.errors import AgentAway, FairdealError, IllegalMove, InvalidInput, NotFound
from service.domain.model import Availability, Principal, Role, TicketStatus
from service.usecases.assignments import Hand
from service.usecases.desk import Act
from service.usecases.lifecycle import ItemResult

POLL_S = 10
"""Pause between two looks at an open desk, s. A look that finds nothing new costs one statement."""

DONE = {Act.START: "started", Act.RESOLVE: "resolved", Act.CLOSE: "closed", Act.RELEASE: "given back"}
ASKING_FIRST = {"sell": "dashboard.desk_sell", "release": "dashboard.desk_release"}
"""Acts that need to know more: they lead to a form."""

NAMED = 5
"""Refusals told one by one; beyond that they are counted."""


def _looking(session_id: UUID) -> Principal:
    found = services().desks.look(session_id)
    g.desk_version = found.version
    return found.principal


@dashboard.get("/desk")
@declare(Access(roles=(Role.AGENT,), session=session_of_cookies, principal=_looking))
def desk() -> Response:
    """Show the desk; 304 where nothing has changed since the browser's look."""
    agent_id, version = caller().user_id, g.desk_version
    if is_unchanged(tag("desk", version, looks.remembered())):
        return unchanged(tag("desk", version, looks.remembered()))
    found = services().desks.read(agent_id, seen=looks.seen())
    shown = looks.dumps(found.hand)
    if not found.changes:
        looks.remember(shown)
    return page("desk.html", desk=found, shown=shown, poll_s=POLL_S, etag=tag("desk", version, looks.remembered()))


@dashboard.post("/desk/seen")
@allow(Role.AGENT)
def desk_seen() -> Response:
    """Take note that the agent has read what others changed, as far as the form had shown it."""
    looks.remember_read(request.form.get("shown", ""))
    return go_to("dashboard.desk")


@dashboard.post("/desk/fetch")
@allow(Role.AGENT)
def desk_fetch() -> Response:
    """Top the hand up."""

    def fetch(operation_id: UUID | None) -> str:
        try:
            dealt = services().assignments.fetch(caller().user_id, operation_id=operation_id)
        except AgentAway:
            say("warning", "You are away, so nothing new comes to you. Set yourself available first.")
        else:
            metrics().count_fetch(served_by=dealt.served_by, assigned=dealt.assigned_now)
            _tell_dealt(dealt)
        return url_for("dashboard.desk")

    return go(once(fetch))


@dashboard.post("/desk/availability")
@allow(Role.AGENT)
def desk_availability() -> Response:
    """Set the agent available or away."""
    agent = services().agents.set_availability(caller().user_id, choice("availability", Availability))
    if agent.availability is Availability.AWAY:
        say("info", "You are away. Nothing new comes to you; what you hold stays with you for now.")
    else:
        say("done", "You are available again.")
    return go_to("dashboard.desk")


@dashboard.post("/desk/act")
@allow(Role.AGENT)
def desk_act() -> Response:
    """Do something with the tickets ticked, or with the one whose button was pressed (`act` is then `start:7`)."""
    act, _, single = request.form.get("act", "").partition(":")
    chosen = [int(single)] if single.isascii() and single.isdigit() else ids("ticket")
    if not chosen:
        say("warning", "No ticket is selected. Tick one first.")
        return go_to("dashboard.desk")
    if act in ASKING_FIRST:
        return go_to(ASKING_FIRST[act], ticket=chosen)
    if act not in set(Act):
        raise InvalidInput(("act", f"must be one of {', '.join([*Act, *ASKING_FIRST])}"))
    return go(once(partial(_work, Act(act), chosen)))


def _work(act: Act, chosen: Sequence[int], _: UUID | None) -> str:
    tell(services().desks.work(caller().user_id, act, chosen), DONE[act])
    return return_address()


def return_address() -> str:
    """Say where a form was shown: on a ticket's own page, or on the desk."""
    shown_on = request.form.get("shown_on", "")
    if shown_on.isascii() and shown_on.isdigit():
        return url_for("dashboard.desk_ticket", ticket_id=int(shown_on))
    return url_for("dashboard.desk")


def tell(results: Sequence[ItemResult], done: str) -> None:
    """Say what became of each ticket: those done by their number, those refused one by one."""
    worked = [result.ticket_id for result in results if result.error is None]
    refused = [(result.ticket_id, result.error) for result in results if result.error is not None]
    if len(worked) == 1:
        say("done", f"Ticket {worked[0]} is {done}.")
    elif worked:
        say("done", f"{counted(len(worked), 'ticket')} are {done}.")
    for ticket_id, error in refused[:NAMED]:
        say("error", _refusal(ticket_id, error, done))
    if len(refused) > NAMED:
        say("error", f"And {counted(len(refused) - NAMED, 'ticket')} more could not be {done}.")


def _refusal(ticket_id: int, error: FairdealError, done: str) -> str:
    if isinstance(error, NotFound):
        return f"Ticket {ticket_id} is not in your hand any more."
    if isinstance(error, IllegalMove):
        return f"Ticket {ticket_id} is {words(TicketStatus(error.facts['state'])).lower()} and was not {done}."
    return f"{error.detail.rstrip('.')}."


def _tell_dealt(dealt: Hand) -> None:
    if dealt.assigned_now:
        say("done", f"{counted(dealt.assigned_now, 'new ticket')} for you.")
    elif dealt.held >= dealt.capacity:
        say(
            "info",
            f"Your hand is full: {dealt.held} of {dealt.capacity}. Finish, sell or give back one to get another.",
        )
    else:
        say("info", "Nothing is waiting that you may take. Enjoy the quiet; ask again in a while.")
