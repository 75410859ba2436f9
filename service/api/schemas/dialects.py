"""Bodies and answers of older clients, as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, RootModel, StringConstraints

from service.api.errors import problem
from service.api.schemas.fields import Cursor, Id
from service.api.schemas.moves import CUSTOMER, BuyerInput
from service.api.schemas.problems import Problem
from service.api.schemas.shape import Answer, Input, documented
from service.api.schemas.tickets import TicketAnswer
from service.domain.errors import InvalidInput
from service.domain.model import Ticket, TicketStatus
from service.usecases.lifecycle import ItemResult
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.tickets import Buyer

MAX_LISTED = 1_000
"""Items of a plain list at the most; the Link header leads to those after them."""

PROJECT_WORDS = {
    TicketStatus.OPEN: "unassigned",
    TicketStatus.ASSIGNED: "assigned",
    TicketStatus.IN_PROGRESS: "assigned",
    TicketStatus.RESOLVED: "assigned",
    TicketStatus.CLOSED: "assigned",
    TicketStatus.SOLD: "sold",
}
"""The three states that ticket_project knows, for ours."""

ProjectStatus = Literal["unassigned", "assigned", "sold"]


class ListQuery(Input):
    """Which part of a plain list."""

    limit: int = Field(default=MAX_LISTED, ge=1, le=MAX_LISTED, description="Items of the list")
    cursor: Cursor | None = Field(default=None, description="From the Link header of the list before")

    def request(self) -> PageRequest:
        """Say it in the use cases' words."""
        return PageRequest(limit=self.limit, cursor=self.cursor)


class CreatorAnswer(Answer):
    """Who created a ticket."""

    id: int
    username: str


class HandTicketAnswer(TicketAnswer):
    """A ticket with its creator's name."""

    created_by: CreatorAnswer | None  # type: ignore[assignment]


class HandListAnswer(RootModel[list[HandTicketAnswer]]):
    """What an agent holds, in creation order."""


class TicketListAnswer(RootModel[list[TicketAnswer]]):
    """What an agent holds, in creation order."""


class TicketIdsInput(Input):
    """Tickets to sell."""

    model_config = documented({"ticket_ids": [7, 8]})

    ticket_ids: list[Id] = Field(min_length=1, max_length=100)


class RefusedSaleAnswer(Answer):
    """A ticket that was not sold, and why."""

    ticket_id: int
    error: Problem


class SoldIdsAnswer(Answer):
    """Which tickets were sold, and which were not."""

    sold: list[int]
    refused: list[int]
    errors: list[RefusedSaleAnswer]


class ProjectTicketAnswer(Answer):
    """A ticket as ticket_project tells it."""

    id: int
    subject: str
    description: str
    status: ProjectStatus
    assigned_to: int | None
    customer: int | None
    created_at: datetime
    updated_at: datetime


class ProjectTicketListAnswer(RootModel[list[ProjectTicketAnswer]]):
    """Tickets as ticket_project tells them."""


class ProjectSaleInput(Input):
    """Whom a ticket is sold to."""

    model_config = documented({"customer": CUSTOMER}, optional=True)

    customer: Any = Field(default=None, description="Name and email; required")

    def buyer(self) -> Buyer:
        """Say it in the use case's words. Raises `InvalidInput`."""
        if not isinstance(self.customer, dict):
            raise InvalidInput(("customer", "is required: an object with `name` and `email`"))
        return BuyerInput.model_validate(self.customer).buyer()


class MessageAnswer(Answer):
    """What was done, for people."""

    message: str


class TokenAnswer(Answer):
    """A long-lived token."""

    token: str = Field(description="Send it with every call: `Authorization: Token <token>`")


class FourStatesAnswer(TicketAnswer):
    """A ticket as support-ticket-system tells it."""

    status: Literal["open", "assigned", "resolved", "closed"]  # type: ignore[assignment]


class AssignmentAnswer(Answer):
    """That an agent has a ticket; its id is the ticket's."""

    id: int
    ticket: FourStatesAnswer
    agent: int
    assigned_at: datetime
    is_active: bool


class AssignmentListAnswer(RootModel[list[AssignmentAnswer]]):
    """What an agent holds, in the order assigned."""


class StatusInput(Input):
    """The status a ticket is to have."""

    model_config = documented({"ticket_id": 7, "status": "resolved"})

    ticket_id: Id
    status: Annotated[str, StringConstraints(min_length=1, max_length=40)] = Field(
        description="`resolved` after assigned, `closed` after resolved"
    )


class DoneAnswer(Answer):
    """That it was done."""

    status: Literal["success"]


def project_ticket_json(ticket: Ticket) -> dict[str, Any]:
    """Describe a ticket to ticket_project."""
    return {
        "id": ticket.id,
        "subject": ticket.subject,
        "description": ticket.description,
        "status": PROJECT_WORDS[ticket.status],
        "assigned_to": ticket.agent_id,
        "customer": ticket.customer_id,
        "created_at": ticket.created_at,
        "updated_at": ticket.updated_at,
    }


def sold_ids_json(results: list[ItemResult]) -> dict[str, Any]:
    """Describe what became of several sales."""
    refused = [(result.ticket_id, result.error) for result in results if result.error is not None]
    return {
        "sold": [result.ticket_id for result in results if result.error is None],
        "refused": [ticket_id for ticket_id, _ in refused],
        "errors": [{"ticket_id": ticket_id, "error": problem(error)} for ticket_id, error in refused],
    }
