"""Making agents, changing their profile, and taking their work away, with a preview of what that does."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from uuid import UUID

from flask import Response, request, url_for

from service.api.access import caller
from service.api.services import services
from service.dashboard.agent_choice import choices, chosen
from service.dashboard.blueprint import allow, dashboard
from service.dashboard.forms import choice, form_page, problems_of
from service.dashboard.notices import say
from service.dashboard.once import once
from service.dashboard.people_forms import (
    Refusal,
    changed_texts,
    given_fields,
    new_password,
    problems_in,
    texts,
    ticked,
    whole_number,
)
from service.dashboard.rendering import go, go_to, page
from service.dashboard.views.desk import tell
from service.dashboard.wording import counted
from service.dashboard.written import changed_text
from service.domain.errors import InvalidInput
from service.domain.model import Agent, Availability, Level, Role
from service.usecases.ports.people import AgentChanges, AgentDraft


@dashboard.get("/agents/new")
@allow(Role.ADMIN)
def agent_new() -> Response:
    """Show the form for an agent."""
    return _form(None)


@dashboard.post("/agents/new")
@allow(Role.ADMIN)
def agent_create() -> Response:
    """Create an agent: sending the form again finds the name taken."""
    try:
        draft = AgentDraft(
            **texts(),
            password=new_password(),
            level=choice("level", Level),
            availability=choice("availability", Availability),
            auto_assign=ticked("auto_assign"),
            capacity=whole_number("capacity"),
        )
        created = services().agents.create(draft)
    except Refusal as error:
        return _form(None, problems_in(error))
    say("done", f"Agent {created.username} is created and can sign in.")
    return go_to("dashboard.agent", agent_id=created.id)


@dashboard.get("/agents/<id:agent_id>/edit")
@allow(Role.ADMIN)
def agent_edit(agent_id: int) -> Response:
    """Show the form to change an agent."""
    return _form(services().agents.get(agent_id))


@dashboard.post("/agents/<id:agent_id>/edit")
@allow(Role.ADMIN)
def agent_change(agent_id: int) -> Response:
    """Change what was changed in the form."""
    try:
        changed = services().agents.update(agent_id, _changes(), actor_id=caller().user_id)
    except Refusal as error:
        return _form(services().agents.get(agent_id), problems_in(error))
    say("done", f"{changed.username} is changed.")
    return go_to("dashboard.agent", agent_id=agent_id)


def _changes() -> AgentChanges:
    capacity = whole_number("capacity")
    level = choice("level", Level)
    auto_assign = ticked("auto_assign")
    return AgentChanges(
        **changed_texts(),
        level=None if changed_text("level") is None else level,
        capacity=None if changed_text("capacity") is None else capacity,
        auto_assign=None if request.form.get("was_auto_assign") == ("yes" if auto_assign else "no") else auto_assign,
    )


def _form(found: Agent | None, problems: Mapping[str, str] | None = None) -> Response:
    return form_page(
        "admin/agent_form.html",
        problems,
        agent=found,
        given=given_fields(),
    )


@dashboard.get("/agents/<id:agent_id>/return")
@allow(Role.ADMIN)
def agent_return(agent_id: int) -> Response:
    """Show what would go back to the queue."""
    return _ask_return(agent_id)


@dashboard.post("/agents/<id:agent_id>/return")
@allow(Role.ADMIN)
def agent_return_now(agent_id: int) -> Response:
    """Put everything an agent holds back to the queue."""
    try:
        return go(once(partial(_return, agent_id)))
    except InvalidInput as error:
        return _ask_return(agent_id, {"reason": next(iter(problems_of(error).values()))})


def _return(agent_id: int, _: UUID | None) -> str:
    reason = request.form.get("reason", "")
    returned = services().assignments.return_all(agent_id, actor_id=caller().user_id, note=reason)
    say("done" if returned else "info", f"{counted(len(returned), 'ticket')} went back to the queue.")
    return url_for("dashboard.agent", agent_id=agent_id)


def _ask_return(agent_id: int, problems: Mapping[str, str] | None = None) -> Response:
    ids = services().assignments.return_all(agent_id, actor_id=caller().user_id, dry_run=True)
    return form_page(
        "admin/agent_return.html",
        problems,
        agent=services().agents.get(agent_id),
        tickets=services().tickets.several(ids, viewer=caller()),
    )


@dashboard.get("/agents/<id:agent_id>/reassign")
@allow(Role.ADMIN)
def agent_reassign(agent_id: int) -> Response:
    """Ask who gets everything an agent holds, and show what that would do."""
    if not request.args.get("agent"):
        return _ask_reassign(agent_id)
    try:
        return _preview(agent_id, chosen())
    except InvalidInput as error:
        return _ask_reassign(agent_id, problems_of(error))


@dashboard.post("/agents/<id:agent_id>/reassign")
@allow(Role.ADMIN)
def agent_reassign_now(agent_id: int) -> Response:
    """Give everything an agent holds to another one, as far as it fits."""
    try:
        return go(once(partial(_reassign, agent_id)))
    except InvalidInput as error:
        return _ask_reassign(agent_id, problems_of(error))


def _reassign(agent_id: int, _: UUID | None) -> str:
    target = chosen()
    results = services().bulk.reassign_all(agent_id, to_agent_id=target.id, actor_id=caller().user_id)
    tell(results, f"given to {target.username}")
    if not results:
        say("info", "There was nothing in hand any more.")
    return url_for("dashboard.agent", agent_id=agent_id)


def _preview(agent_id: int, target: Agent) -> Response:
    rehearsed = services().bulk.reassign_all(agent_id, to_agent_id=target.id, actor_id=caller().user_id, dry_run=True)
    fitting = [result.ticket_id for result in rehearsed if result.error is None]
    return page(
        "admin/agent_reassign_preview.html",
        agent=services().agents.get(agent_id),
        target=target,
        fitting=services().tickets.several(fitting, viewer=caller()) if fitting else (),
        refused=[result for result in rehearsed if result.error is not None],
    )


def _ask_reassign(agent_id: int, problems: Mapping[str, str] | None = None) -> Response:
    found = {("agent" if name == "to_agent_id" else name): text for name, text in (problems or {}).items()}
    return form_page(
        "admin/agent_reassign.html",
        found,
        agent=services().agents.get(agent_id),
        agents=choices(),
        given=request.values,
    )
