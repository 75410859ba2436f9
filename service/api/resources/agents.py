"""Users who take tickets."""

from __future__ import annotations

from flask import Response

from service.api import answers
from service.api.access import allow, caller
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
from service.api.services import services
from service.domain.errors import AlreadyExists, Conflict, NotFound
from service.domain.model import Role

agents = resource("agents", "/api/agents", tag="Agents", about="Who takes tickets")


@agents.get("", responses=outcomes(200, AgentPage))
@allow(Role.ADMIN)
def list_agents(query: AgentQuery) -> Response:
    """List agents. Sort keys: id, username, held, level, capacity, created_at."""
    return answers.page(services().agents.page(query.wanted(), query.request()), agent_json)


@agents.post("", responses=outcomes(201, AgentAnswer, AlreadyExists))
@allow(Role.ADMIN)
def create_agent(body: AgentInput) -> Response:
    """Create an agent: the user and the profile in one."""
    agent = services().agents.create(body.draft())
    return answers.created(agent_json(agent), f"/api/agents/{agent.id}")


@agents.get("/<id:agent_id>", responses=outcomes(200, AgentAnswer, NotFound))
@allow(Role.ADMIN, own="agent_id")
def read_agent(path: AgentPath) -> Response:
    """Read an agent."""
    return answers.answer(agent_json(services().agents.get(path.agent_id)))


@agents.put("/<id:agent_id>", responses=outcomes(200, AgentAnswer, NotFound, AlreadyExists, Conflict))
@allow(Role.ADMIN)
def replace_agent(path: AgentPath, body: AgentReplacement) -> Response:
    """Replace everything about an agent; a password left out stays as it is."""
    agent = services().agents.update(path.agent_id, body.changes(), actor_id=caller().user_id)
    return answers.answer(agent_json(agent))


@agents.patch("/<id:agent_id>", responses=outcomes(200, AgentAnswer, NotFound, AlreadyExists, Conflict))
@allow(Role.ADMIN)
def change_agent(path: AgentPath, body: AgentPatch) -> Response:
    """Change some fields of an agent; the capacity never below what they hold."""
    agent = services().agents.update(path.agent_id, body.changes(), actor_id=caller().user_id)
    return answers.answer(agent_json(agent))


@agents.delete("/<id:agent_id>", responses=outcomes(204, None, NotFound))
@allow(Role.ADMIN)
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
    """Put everything an agent holds back to its places in the queue."""
    returned = services().assignments.return_all(path.agent_id, actor_id=caller().user_id, note=body.reason)
    return answers.answer({"returned": returned})
