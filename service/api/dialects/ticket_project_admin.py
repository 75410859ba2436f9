"""What ticket_project had for its admins: tickets, customers and agents below one prefix, in plain lists."""

from __future__ import annotations

from flask import Response

from service.api import answers
from service.api.access import allow, caller
from service.api.dialects.edits import edit_ticket
from service.api.dialects.ticket_project import TAG
from service.api.idempotency import idempotent, operation_id
from service.api.openapi import outcomes, resource
from service.api.schemas.agents import AgentPath
from service.api.schemas.customers import CustomerAnswer, CustomerInput, CustomerPatch, CustomerPath, customer_json
from service.api.schemas.dialects import ListQuery, ProjectTicketAnswer, ProjectTicketListAnswer, project_ticket_json
from service.api.schemas.project_admin import (
    CustomerListAnswer,
    ProjectAgentAnswer,
    ProjectAgentInput,
    ProjectAgentListAnswer,
    ProjectAgentPatch,
    ProjectTicketInput,
    ProjectTicketPatch,
    project_agent_json,
)
from service.api.schemas.tickets import TicketPath
from service.api.services import services
from service.domain.errors import (
    AgentAtCapacity,
    AgentAway,
    AgentInactive,
    AlreadyExists,
    Conflict,
    IllegalMove,
    NotFound,
)
from service.domain.model import Role, TicketStatus
from service.usecases.ports.people import AgentFilter, CustomerFilter
from service.usecases.ports.tickets import TicketFilter

project_tickets = resource("project_tickets", "/api/admin/tickets", tag=TAG)
project_customers = resource("project_customers", "/api/admin/customers", tag=TAG)
project_agents = resource("project_agents", "/api/admin/agents", tag=TAG)

MOVES = (NotFound, IllegalMove, AgentInactive, AgentAway, AgentAtCapacity)
"""What may keep a ticket from being changed."""


@project_tickets.get("", responses=outcomes(200, ProjectTicketListAnswer))
@allow(Role.ADMIN)
def list_project_tickets(query: ListQuery) -> Response:
    """List tickets in creation order, as a plain list. Ours is `GET /api/tickets`."""
    found = services().tickets.page(TicketFilter(), query.request(), viewer=caller())
    return answers.plain(found, project_ticket_json)


@project_tickets.post("", responses=outcomes(201, ProjectTicketAnswer))
@allow(Role.ADMIN)
@idempotent
def create_project_ticket(body: ProjectTicketInput) -> Response:
    """Create a ticket; it queues itself. Ours is `POST /api/tickets`."""
    ticket = services().tickets.create(body.draft(), actor_id=caller().user_id, operation_id=operation_id())
    return answers.created(project_ticket_json(ticket), f"/api/admin/tickets/{ticket.id}")


@project_tickets.get("/<id:ticket_id>", responses=outcomes(200, ProjectTicketAnswer, NotFound))
@allow(Role.ADMIN)
def read_project_ticket(path: TicketPath) -> Response:
    """Read a ticket. Ours is `GET /api/tickets/{id}`."""
    return answers.answer(project_ticket_json(services().tickets.get(path.ticket_id, viewer=caller())))


@project_tickets.put("/<id:ticket_id>", responses=outcomes(200, ProjectTicketAnswer, *MOVES))
@allow(Role.ADMIN)
def replace_project_ticket(path: TicketPath, body: ProjectTicketPatch) -> Response:
    """Change what is given of a ticket. Ours is `PUT /api/tickets/{id}`."""
    return _changed_ticket(path.ticket_id, body)


@project_tickets.patch("/<id:ticket_id>", responses=outcomes(200, ProjectTicketAnswer, *MOVES))
@allow(Role.ADMIN)
def change_project_ticket(path: TicketPath, body: ProjectTicketPatch) -> Response:
    """Change what is given of a ticket. Ours is `PATCH /api/tickets/{id}`."""
    return _changed_ticket(path.ticket_id, body)


def _changed_ticket(ticket_id: int, body: ProjectTicketPatch) -> Response:
    present = services().tickets.get(ticket_id, viewer=caller())
    status = TicketStatus.OPEN if body.is_taken_back(present) else None
    ticket = edit_ticket(
        ticket_id, body.changes(), status=status, agent_id=body.new_agent_id(), expected_epoch=present.epoch
    )
    return answers.answer(project_ticket_json(ticket))


@project_tickets.delete("/<id:ticket_id>", responses=outcomes(204, None, NotFound))
@allow(Role.ADMIN)
def delete_project_ticket(path: TicketPath) -> Response:
    """Delete a ticket. Ours is `DELETE /api/tickets/{id}`."""
    services().tickets.delete(path.ticket_id, actor_id=caller().user_id)
    return answers.nothing()


@project_customers.get("", responses=outcomes(200, CustomerListAnswer))
@allow(Role.ADMIN)
def list_project_customers(query: ListQuery) -> Response:
    """List customers, as a plain list. Ours is `GET /api/customers`."""
    return answers.plain(services().customers.page(CustomerFilter(), query.request()), customer_json)


@project_customers.post("", responses=outcomes(201, CustomerAnswer, AlreadyExists))
@allow(Role.ADMIN)
def create_project_customer(body: CustomerInput) -> Response:
    """Create a customer. Ours is `POST /api/customers`."""
    customer = services().customers.create(body.draft())
    return answers.created(customer_json(customer), f"/api/admin/customers/{customer.id}")


@project_customers.get("/<id:customer_id>", responses=outcomes(200, CustomerAnswer, NotFound))
@allow(Role.ADMIN)
def read_project_customer(path: CustomerPath) -> Response:
    """Read a customer. Ours is `GET /api/customers/{id}`."""
    return answers.answer(customer_json(services().customers.get(path.customer_id)))


@project_customers.put("/<id:customer_id>", responses=outcomes(200, CustomerAnswer, NotFound, AlreadyExists))
@allow(Role.ADMIN)
def replace_project_customer(path: CustomerPath, body: CustomerInput) -> Response:
    """Replace a customer's name and email. Ours is `PUT /api/customers/{id}`."""
    return answers.answer(customer_json(services().customers.update(path.customer_id, body.replacement())))


@project_customers.patch("/<id:customer_id>", responses=outcomes(200, CustomerAnswer, NotFound, AlreadyExists))
@allow(Role.ADMIN)
def change_project_customer(path: CustomerPath, body: CustomerPatch) -> Response:
    """Change a customer's name or email. Ours is `PATCH /api/customers/{id}`."""
    return answers.answer(customer_json(services().customers.update(path.customer_id, body.changes())))


@project_customers.delete("/<id:customer_id>", responses=outcomes(204, None, NotFound, Conflict))
@allow(Role.ADMIN)
def delete_project_customer(path: CustomerPath) -> Response:
    """Delete a customer whom no ticket refers to. Ours is `DELETE /api/customers/{id}`."""
    services().customers.delete(path.customer_id)
    return answers.nothing()


@project_agents.get("", responses=outcomes(200, ProjectAgentListAnswer))
@allow(Role.ADMIN)
def list_project_agents(query: ListQuery) -> Response:
    """List agents, as a plain list. Ours is `GET /api/agents`."""
    return answers.plain(services().agents.page(AgentFilter(), query.request()), project_agent_json)


@project_agents.post("", responses=outcomes(201, ProjectAgentAnswer, AlreadyExists))
@allow(Role.ADMIN)
def create_project_agent(body: ProjectAgentInput) -> Response:
    """Create an agent. Ours is `POST /api/agents`."""
    agent = services().agents.create(body.draft())
    return answers.created(project_agent_json(agent), f"/api/admin/agents/{agent.id}")


@project_agents.get("/<id:agent_id>", responses=outcomes(200, ProjectAgentAnswer, NotFound))
@allow(Role.ADMIN)
def read_project_agent(path: AgentPath) -> Response:
    """Read an agent. Ours is `GET /api/agents/{id}`."""
    return answers.answer(project_agent_json(services().agents.get(path.agent_id)))


@project_agents.put("/<id:agent_id>", responses=outcomes(200, ProjectAgentAnswer, NotFound, AlreadyExists))
@allow(Role.ADMIN)
def replace_project_agent(path: AgentPath, body: ProjectAgentPatch) -> Response:
    """Change what is given of an agent. Ours is `PUT /api/agents/{id}`."""
    return _changed_agent(path.agent_id, body)


@project_agents.patch("/<id:agent_id>", responses=outcomes(200, ProjectAgentAnswer, NotFound, AlreadyExists))
@allow(Role.ADMIN)
def change_project_agent(path: AgentPath, body: ProjectAgentPatch) -> Response:
    """Change what is given of an agent. Ours is `PATCH /api/agents/{id}`."""
    return _changed_agent(path.agent_id, body)


def _changed_agent(agent_id: int, body: ProjectAgentPatch) -> Response:
    agent = services().agents.update(agent_id, body.changes(), actor_id=caller().user_id)
    return answers.answer(project_agent_json(agent))


@project_agents.delete("/<id:agent_id>", responses=outcomes(204, None, NotFound))
@allow(Role.ADMIN)
def delete_project_agent(path: AgentPath) -> Response:
    """Delete an agent and their user. Ours is `DELETE /api/agents/{id}`."""
    services().agents.delete(path.agent_id, actor_id=caller().user_id)
    return answers.nothing()
