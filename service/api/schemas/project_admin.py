"""What admins of ticket_project send and get, as JSON."""

from __future__ import annotations

from typing import Any

from pydantic import Field, RootModel

from service.api.schemas.customers import CustomerAnswer
from service.api.schemas.dialects import PROJECT_WORDS, ProjectStatus
from service.api.schemas.fields import Description, Flag, Id, Subject, Text
from service.api.schemas.shape import Answer, Changes, Input, documented
from service.api.schemas.tickets import NULLABLE
from service.api.schemas.users import NULLABLE as CLEARED_BY_NULL
from service.domain.errors import InvalidInput
from service.domain.model import Agent, Ticket
from service.usecases.ports.people import UNSET, AgentChanges, AgentDraft, Unset
from service.usecases.ports.tickets import TicketChanges, TicketDraft

DEFAULT_SUBJECT = "Support ticket"
"""The subject of a ticket that was given none: that system's tickets had no words."""

AGENT = {"username": "ann", "password": "Correct-Horse-9", "email": "ann@example.com"}


class ProjectTicketInput(Input):
    """A ticket to create; all of it may be left out."""

    model_config = documented({"subject": "Printer on fire"}, optional=True)

    subject: Subject = DEFAULT_SUBJECT
    description: Description = ""

    def draft(self) -> TicketDraft:
        """Say it in the use case's words."""
        return TicketDraft(subject=self.subject, description=self.description)


class ProjectTicketPatch(Changes):
    """Fields of a ticket to change; one left out stays as it is, for PUT too."""

    model_config = documented({"assigned_to": 7}, optional=True)

    subject: Subject = DEFAULT_SUBJECT
    description: Description = ""
    assigned_to: Id | None = Field(default=None, description="Who is to have it; null: nobody", **NULLABLE)
    status: ProjectStatus = Field(default="unassigned", description="`unassigned` takes it from its agent")

    def changes(self) -> TicketChanges:
        """Say it in the use case's words."""
        given = self.given()
        return TicketChanges(subject=given.get("subject"), description=given.get("description"))

    def is_taken_back(self, present: Ticket) -> bool:
        """Say whether the ticket is to go back to its queue. Raises `InvalidInput` for other new states."""
        given = self.given()
        if "status" not in given or PROJECT_WORDS[present.status] == self.status:
            return False
        if self.status == "unassigned":
            return True
        if self.status == "assigned" and given.get("assigned_to") is not None:
            return False
        how = "by giving `assigned_to`" if self.status == "assigned" else "by its agent selling it"
        raise InvalidInput(("status", f"becomes '{self.status}' {how}"))

    def new_agent_id(self) -> int | Unset | None:
        """Say whom the ticket is to belong to."""
        return self.assigned_to if "assigned_to" in self.model_fields_set else UNSET


class ProjectAgentInput(Input):
    """An agent to create."""

    model_config = documented(AGENT)

    username: Text
    password: Text = Field(json_schema_extra={"writeOnly": True})
    email: Text | None = None
    is_active: Flag = True

    def draft(self) -> AgentDraft:
        """Say it in the use case's words."""
        return AgentDraft(**dict(self))


class ProjectAgentPatch(Changes):
    """Fields of an agent to change; one left out stays as it is, for PUT too."""

    model_config = documented({"is_active": False}, optional=True)

    username: Text = ""
    password: Text = Field(default="", json_schema_extra={"writeOnly": True})
    email: Text | None = Field(default=None, json_schema_extra=CLEARED_BY_NULL, description="null clears it")
    is_active: Flag = True

    def changes(self) -> AgentChanges:
        """Say it in the use case's words."""
        return AgentChanges(**self.given())


class ProjectAgentAnswer(Answer):
    """An agent as ticket_project tells it."""

    id: int
    username: str
    email: str | None
    is_active: bool


class ProjectAgentListAnswer(RootModel[list[ProjectAgentAnswer]]):
    """Agents as ticket_project tells them."""


class CustomerListAnswer(RootModel[list[CustomerAnswer]]):
    """Customers."""


def project_agent_json(agent: Agent) -> dict[str, Any]:
    """Describe an agent to ticket_project."""
    return {"id": agent.id, "username": agent.username, "email": agent.email, "is_active": agent.is_active}
