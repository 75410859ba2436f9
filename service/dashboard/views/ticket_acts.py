"""What admins do with the tickets they picked: asked first, in numbers, and done on exactly what was shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from functools import partial
from uuid import UUID

from flask import Response, request, url_for

from service.api.access import caller
from service.api.schemas.fields import MAX_ID
from service.api.services import services
from service.dashboard.agent_choice import choices, chosen
from service.dashboard.blueprint import allow, dashboard
from service.dashboard.forms import MOST_IDS, choice, form_page, ids, problems_of
from service.dashboard.notices import say
from service.dashboard.once import once
from service.dashboard.rendering import go, go_to
from service.dashboard.typed import is_ours
from service.dashboard.views.desk import tell
from service.domain.errors import InvalidInput
from service.domain.model import Priority, Role
from service.usecases.bulk import Assignment, Seen
from service.usecases.lifecycle import ItemResult
from service.usecases.selection import tally


class PickedAct(StrEnum):
    """Name what may be done with picked tickets."""

    ASSIGN = "assign"
    PRIORITY = "priority"
    RETURN = "return"
    REOPEN = "reopen"
    DELETE = "delete"


@dashboard.get("/tickets/act")
@allow(Role.ADMIN)
def ticket_act() -> Response:
    """Ask before something is done with the tickets picked, or with all that the list finds."""
    if request.args.get("all") == "yes":
        passed_on = {name: request.args.get(name, "") for name in ("act", "list", "back")}
        return go_to("dashboard.ticket_act_all", **passed_on)
    return _ask(choice("act", PickedAct), ids("ticket"))


@dashboard.post("/tickets/act")
@allow(Role.ADMIN)
def ticket_act_now() -> Response:
    """Do it, with those that are still in the hands they were shown in."""
    act, picked = choice("act", PickedAct), _seen()
    try:
        return go(once(partial(_work, act, picked)))
    except InvalidInput as error:
        return _ask(act, [item.ticket_id for item in picked], problems_of(error))


def _work(act: PickedAct, picked: Sequence[Seen], _: UUID | None) -> str:
    results, done = _WORK[act](picked)
    tell(results, done)
    return _after(act, picked)


Worked = tuple[Sequence[ItemResult], str]


def _assign(picked: Sequence[Seen]) -> Worked:
    agent = chosen()
    wanted = [Assignment(item.ticket_id, agent.id, item.epoch) for item in picked]
    return services().bulk.assign(wanted, actor_id=caller().user_id), f"assigned to {agent.username}"


def _prioritise(picked: Sequence[Seen]) -> Worked:
    priority = choice("priority", Priority)
    changed = services().bulk.set_priority([item.ticket_id for item in picked], priority, actor_id=caller().user_id)
    return changed, f"of {priority} priority now"


def _return(picked: Sequence[Seen]) -> Worked:
    reason = request.form.get("reason", "")
    return services().bulk.put_back(picked, actor_id=caller().user_id, reason=reason), "back in the queue"


def _reopen(picked: Sequence[Seen]) -> Worked:
    reason = request.form.get("reason", "")
    return services().bulk.reopen(picked, actor_id=caller().user_id, reason=reason), "open again"


def _delete(picked: Sequence[Seen]) -> Worked:
    return services().bulk.delete(picked, actor_id=caller().user_id), "deleted"


_WORK: Mapping[PickedAct, Callable[[Sequence[Seen]], Worked]] = {
    PickedAct.ASSIGN: _assign,
    PickedAct.PRIORITY: _prioritise,
    PickedAct.RETURN: _return,
    PickedAct.REOPEN: _reopen,
    PickedAct.DELETE: _delete,
}


def _ask(act: PickedAct, ticket_ids: Sequence[int], problems: Mapping[str, str] | None = None) -> Response:
    if not ticket_ids:
        say("warning", "No ticket is selected. Tick one first.")
        return go(back_of())
    found = services().tickets.several(ticket_ids, viewer=caller())
    if not found:
        say("warning", "None of these tickets is there any more.")
        return go(url_for("dashboard.tickets"))
    return form_page(
        "admin/ticket_act.html",
        problems,
        act=act,
        tickets=found,
        tally=tally(ticket_ids, found),
        agents=choices() if act is PickedAct.ASSIGN else None,
        priorities=list(Priority),
        back=back_of(),
    )


def _seen() -> list[Seen]:
    """Read the tickets of the form, each with the hands it was shown in. Raises `InvalidInput`."""
    given = request.form.getlist("seen")
    pairs = [text.partition(":")[::2] for text in given[: MOST_IDS + 1]]
    if not 1 <= len(pairs) <= MOST_IDS or not all(
        part.isascii() and part.isdigit() and int(part) <= MAX_ID for pair in pairs for part in pair
    ):
        raise InvalidInput(("seen", "must name the tickets, each with its epoch"))
    return [Seen(int(ticket_id), int(epoch)) for ticket_id, epoch in pairs]


def back_of() -> str:
    """Say where the tickets were picked: a page of ours, or the list."""
    back = request.values.get("back", "")
    return back if back.startswith(url_for("dashboard.tickets")) and is_ours(back) else url_for("dashboard.tickets")


def _after(act: PickedAct, picked: Sequence[Seen]) -> str:
    """Say where to go on: where the tickets were picked, unless that is the page of one now deleted."""
    pages = {url_for("dashboard.ticket", ticket_id=item.ticket_id) for item in picked}
    gone = act is PickedAct.DELETE and back_of() in pages
    return url_for("dashboard.tickets") if gone else back_of()
