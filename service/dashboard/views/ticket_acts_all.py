"""What admins do with all tickets that a list finds: told in numbers, confirmed, and done part by part, with progress.

Where it has come to travels with the browser, signed: stopping is leaving, and a part sent twice is done once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, cast
from uuid import UUID

from flask import Response, request, url_for
from itsdangerous import BadData

from service.api.access import caller
from service.api.services import services
from service.dashboard.blueprint import allow, dashboard
from service.dashboard.forms import choice, form_page, problems_of
from service.dashboard.notices import say, serializer
from service.dashboard.once import once
from service.dashboard.rendering import go, page
from service.dashboard.ticket_list import in_words, query_of, ticket_list, wanted_tickets
from service.dashboard.views.ticket_acts import PickedAct, back_of
from service.dashboard.wording import counted
from service.domain.errors import InvalidInput
from service.domain.model import Priority, Role, TicketStatus
from service.domain.ticket_rules import clean_note
from service.usecases import sweep
from service.usecases.bulk import Seen
from service.usecases.lifecycle import ItemResult
from service.usecases.ports.tickets import TicketFilter

CONCERNED: Mapping[PickedAct, Sequence[TicketStatus]] = {
    PickedAct.PRIORITY: (),
    PickedAct.RETURN: sweep.RETURNABLE,
    PickedAct.REOPEN: sweep.REOPENABLE,
    PickedAct.DELETE: (),
}
"""The acts that can be done to all, and the states they are for. Assigning is none: no hand holds a list."""

MAX_REASON = 300
"""Characters of a reason: it travels in an address."""

DONE = {
    PickedAct.PRIORITY: "of {priority} priority now",
    PickedAct.RETURN: "back in the queue",
    PickedAct.REOPEN: "open again",
    PickedAct.DELETE: "deleted",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """One act on all tickets of a list, and where it has come to."""

    user_id: int
    act: str
    query: str
    back: str
    since: str
    total: int
    cursor: str | None = None
    done: int = 0
    left: int = 0
    priority: str = ""
    reason: str = ""

    @property
    def wanted(self) -> TicketFilter:
        """Say which tickets it is about. Raises `InvalidInput` for a filter that makes no sense any more."""
        found = _concerned(PickedAct(self.act), self.query)
        if found is None:
            raise InvalidInput(("list", "finds no ticket that this can be done to"))
        return replace(found, unchanged_since=datetime.fromisoformat(self.since))


@dashboard.get("/tickets/act-all")
@allow(Role.ADMIN)
def ticket_act_all() -> Response:
    """Ask before something is done with all tickets of a list."""
    act, query = choice("act", PickedAct), query_of(ticket_list(request.args.get("list", "")))
    if act not in CONCERNED:
        say("warning", "An agent holds a handful: tick the tickets to be assigned.")
        return go(back_of())
    found = _concerned(act, query)
    tally, at = (None, None) if found is None else sweep.preview(services().tickets, found)
    if tally is None or not tally.total:
        say("warning", "None of the tickets that match can be " + DONE[act].format(priority="another") + ".")
        return go(back_of())
    new = Sweep(
        user_id=caller().user_id,
        act=act,
        query=query,
        back=back_of(),
        since=cast("datetime", at).isoformat(),
        total=tally.total,
    )
    return _ask(new)


@dashboard.post("/tickets/act-all")
@allow(Role.ADMIN)
def ticket_act_all_now() -> Response:
    """Do the next part of it."""
    begun = _read(request.form.get("state", ""))
    try:
        return go(once(partial(_do_part, _decided(begun))))
    except InvalidInput as error:
        return _ask(begun, problems_of(error))


@dashboard.get("/tickets/act-all/progress")
@allow(Role.ADMIN)
def ticket_act_all_progress() -> Response:
    """Show how far it has come, with a form for the next part, which a script sends."""
    under_way = _read(request.args.get("state", ""))
    return page("admin/ticket_act_all_progress.html", sweep=under_way, act=under_way.act, state=_write(under_way))


def _decided(begun: Sweep) -> Sweep:
    """Take over what the confirmation asked for. Raises `InvalidInput`."""
    if begun.cursor is not None:
        return begun
    if begun.act == PickedAct.PRIORITY:
        return replace(begun, priority=choice("priority", Priority).value)
    if begun.act == PickedAct.DELETE:
        return begun
    reason = clean_note(request.form.get("reason", ""), field="reason")
    if len(reason) > MAX_REASON:
        raise InvalidInput(("reason", f"may have {MAX_REASON} characters at the most"))
    return replace(begun, reason=reason)


def _do_part(begun: Sweep, _: UUID | None) -> str:
    work = partial(_work, begun)
    part = sweep.do_part(services().tickets, begun.wanted, work, cursor=begun.cursor, viewer=caller())
    now = replace(begun, cursor=part.cursor, done=begun.done + part.done, left=begun.left + part.left)
    if now.cursor is not None:
        return url_for("dashboard.ticket_act_all_progress", state=_write(now))
    say("done", f"{counted(now.done, 'ticket is', 'tickets are')} {DONE[PickedAct(now.act)].format(**asdict(now))}.")
    if now.total > now.done:
        rest = counted(now.total - now.done, "ticket was", "tickets were")
        say("info", f"{rest} changed by somebody meanwhile, or could not be, and left alone.")
    return now.back


def _work(begun: Sweep, seen: Sequence[Seen]) -> Sequence[ItemResult]:
    bulk, actor_id = services().bulk, caller().user_id
    if begun.act == PickedAct.PRIORITY:
        return bulk.set_priority([each.ticket_id for each in seen], Priority(begun.priority), actor_id=actor_id)
    if begun.act == PickedAct.RETURN:
        return bulk.put_back(seen, actor_id=actor_id, reason=begun.reason)
    if begun.act == PickedAct.REOPEN:
        return bulk.reopen(seen, actor_id=actor_id, reason=begun.reason)
    return bulk.delete(seen, actor_id=actor_id)


def _concerned(act: PickedAct, query: str) -> TicketFilter | None:
    listing = ticket_list(query)
    wanted = wanted_tickets(listing)
    if listing.problems:
        raise InvalidInput(*listing.problems.items())
    return sweep.narrowed(wanted, CONCERNED[act])


def _ask(new: Sweep, problems: Mapping[str, str] | None = None) -> Response:
    tally, _ = sweep.preview(services().tickets, new.wanted)
    return form_page(
        "admin/ticket_act_all.html",
        problems,
        sweep=new,
        act=new.act,
        state=_write(new),
        tally=tally,
        filters=in_words(ticket_list(new.query)),
        max_reason=MAX_REASON,
    )


def _write(begun: Sweep) -> str:
    return str(serializer("sweep").dumps(asdict(begun)))


def _read(state: str) -> Sweep:
    """Read where an act has come to. Raises `InvalidInput` unless it is ours, and the caller's."""
    try:
        found: dict[str, Any] = serializer("sweep").loads(state)
        begun = Sweep(**found)
    except (BadData, TypeError) as exc:
        raise InvalidInput(("state", "is not one of ours; begin again at the list")) from exc
    if begun.user_id != caller().user_id:
        raise InvalidInput(("state", "is somebody else's; begin again at the list"))
    return begun
