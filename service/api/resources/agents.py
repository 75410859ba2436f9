"""Users who take tickets."""

from __future__ import annotations

from flask import Response

from service.api import answers
from service.api.access import allow, caller
from service.api.dialects.people import is_restricted, own_changes, seen_by_caller
from service.api.openapi import outcomes, resource
from service.api.schemas.agents import (
    AgentAnswer,
    AgentInput,
    AgentPage,
    AgentPatch,
    AgentPath,
    AgentQuery,
    AgentReplacement,
    AvailabilityInput,
    ReturnedAnswer,
    ReturnInput,
    agent_json,
)
from service.api.schemas.history import AgentEventPage, agent_event_json
from service.api.schemas.moves import ReassignedAnswer, ReassignInput, changes_json
from service.api.schemas.paging import Paging
from service.api.services import services
from service.domain.errors import AlreadyExists, Conflict, NotFound
from service.domain.model import Role
from service.usecases.ports.people import AgentChanges

agents = resource("agents", "/api/agents", tag="Agents", about="Who takes tickets")


def _changes(agent_id: int, body: AgentReplacement | AgentPatch) -> AgentChanges:
    """Read what is to be changed, as far as the caller may. Raises `Forbidden`."""
    if not is_restricted():
        return body.changes()
    return AgentChanges(**own_changes(body.model_dump(exclude_unset=True), services().agents.get(agent_id)))


@agents.get("", responses=outcomes(200, AgentPage))
@allow(Role.ADMIN, Role.AGENT)
def list_agents(query: AgentQuery) -> Response:
    """List agents. Sort keys: id, username, held, level, capacity, created_at.

    Agents see of others neither email nor phone, and do not search by them.
    """
    wanted = query.wanted(with_emails=not is_restricted())
    return answers.page(services().agents.page(wanted, query.request()), seen_by_caller(agent_json))


@agents.post("", responses=outcomes(201, AgentAnswer, AlreadyExists, Conflict))
@allow(Role.ADMIN)
def create_agent(body: AgentInput) -> Response:
    """Create an agent: the user and the profile in one, or with `user` alone, make that user an agent."""
    if body.user is None:
        agent = services().agents.create(body.draft())
    else:
        agent = services().agents.make_agent(body.only_user(), actor_id=caller().user_id)
    return answers.created(agent_json(agent), f"/api/agents/{agent.id}")


@agents.get("/<id:agent_id>", responses=outcomes(200, AgentAnswer, NotFound))
@allow(Role.ADMIN, own="agent_id")
def read_agent(path: AgentPath) -> Response:
    """Read an agent."""
    return answers.answer(agent_json(services().agents.get(path.agent_id)))


@agents.put("/<id:agent_id>", responses=outcomes(200, AgentAnswer, NotFound, AlreadyExists, Conflict))
@allow(Role.ADMIN, own="agent_id")
def replace_agent(path: AgentPath, body: AgentReplacement) -> Response:
    """Replace everything about an agent; a password left out stays as it is.

    Of themselves, agents replace what they give of names, email and password.
    """
    agent = services().agents.update(path.agent_id, _changes(path.agent_id, body), actor_id=caller().user_id)
    return answers.answer(agent_json(agent))


@agents.patch("/<id:agent_id>", responses=outcomes(200, AgentAnswer, NotFound, AlreadyExists, Conflict))
@allow(Role.ADMIN, own="agent_id")
def change_agent(path: AgentPath, body: AgentPatch) -> Response:
    """Change some fields of an agent; the capacity never below what they hold.

    Of themselves, agents change names, email and password.
    """
    agent = services().agents.update(path.agent_id, _changes(path.agent_id, body), actor_id=caller().user_id)
    return answers.answer(agent_json(agent))


@agents.delete("/<id:agent_id>", responses=outcomes(204, None, NotFound))
@allow(Role.ADMIN, own="agent_id")
def delete_agent(path: AgentPath) -> Response:
    """Delete an agent and their user: what they hold goes back to the queue."""
    services().agents.delete(path.agent_id, actor_id=caller().user_id)
    return answers.nothing()


@agents.post("/<id:agent_id>/availability", responses=outcomes(200, AgentAnswer, NotFound))
@allow(Role.ADMIN, own="agent_id")
def set_availability(path: AgentPath, body: AvailabilityInput) -> Response:
    """Say whether an agent takes new tickets."""
    return answers.answer(agent_json(services().agents.set_availability(path.agent_id, body.availability)))


@agents.post("/<id:agent_id>/return-tickets", responses=outcomes(200, ReturnedAnswer, NotFound))
@allow(Role.ADMIN, own="agent_id")
def return_tickets(path: AgentPath, body: ReturnInput) -> Response:
    """Put everything an agent holds back to its places in the queue, or say what that would be."""
    returned = services().assignments.return_all(
        path.agent_id, actor_id=caller().user_id, note=body.reason, dry_run=body.dry_run
    )
    return answers.answer({"dry_run": body.dry_run, "returned": len(returned), "ticket_ids": returned})


@agents.post("/<id:agent_id>/reassign-tickets", responses=outcomes(200, ReassignedAnswer, NotFound))
@allow(Role.ADMIN)
def reassign_tickets(path: AgentPath, body: ReassignInput) -> Response:
    """Give everything an agent holds to another one as far as it fits, the oldest first, or say what that would be."""
    results = services().bulk.reassign_all(
        path.agent_id, to_agent_id=body.to_agent_id, actor_id=caller().user_id, dry_run=body.dry_run
    )
    return answers.answer({"dry_run": body.dry_run, **changes_json(results)})


@agents.get("/<id:agent_id>/history", responses=outcomes(200, AgentEventPage, NotFound))
@allow(Role.ADMIN, own="agent_id")
def read_agent_history(path: AgentPath, query: Paging) -> Response:
    """List what happened to the tickets an agent had, the newest first: got, worked, given back, sold, lost."""
    found = services().history.of_agent(path.agent_id, query.request())
    return answers.page(found, lambda event: agent_event_json(event, path.agent_id))
