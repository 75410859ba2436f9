"""Tickets as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from service.api.schemas.fields import Description, Id, Moment, QueryId, Several, Subject
from service.api.schemas.paging import PageAnswer, SortedPaging
from service.api.schemas.shape import Answer, Changes, Input, documented
from service.domain.errors import InvalidInput
from service.domain.model import Cause, Priority, Ticket, TicketEvent, TicketStatus
from service.usecases.ports.tickets import TicketChanges, TicketDraft, TicketFilter

EXAMPLE = {"subject": "Printer on fire", "description": "Third floor, next to the lift.", "priority": "high"}


class TicketPath(Input):
    """Which ticket."""

    ticket_id: Id = Field(description="Id of the ticket; ids are the creation order")


def _agreed(subject: str | None, title: str | None) -> str | None:
    """Take the subject under either of its names. Raises `InvalidInput` when they contradict each other."""
    if subject is not None and title is not None and subject != title:
        raise InvalidInput(("title", "must equal `subject` where both are given; one of them is enough"))
    return title if subject is None else subject


class TicketInput(Input):
    """A ticket to create, or everything about one that is to be replaced."""

    model_config = documented(EXAMPLE)

    subject: Subject | None = Field(default=None, description="One line; required, unless `title` is given")
    title: Subject | None = Field(default=None, description="Another name for `subject`")
    description: Description = ""
    priority: Priority = Priority.MEDIUM

    def _subject(self) -> str:
        subject = _agreed(self.subject, self.title)
        if subject is None:
            raise InvalidInput(("subject", "is required; `title` is taken for it"))
        return subject

    def draft(self) -> TicketDraft:
        """Say it in the use case's words. Raises `InvalidInput`."""
        return TicketDraft(subject=self._subject(), description=self.description, priority=self.priority)

    def replacement(self) -> TicketChanges:
        """Replace every field. Raises `InvalidInput`."""
        return TicketChanges(subject=self._subject(), description=self.description, priority=self.priority)


class TicketPatch(Changes):
    """Fields of a ticket to change."""

    model_config = documented({"priority": "high"})

    subject: Subject = Field(default="", description="One line")
    title: Subject = Field(default="", description="Another name for `subject`")
    description: Description = ""
    priority: Priority = Priority.MEDIUM

    def changes(self) -> TicketChanges:
        """Say it in the use case's words. Raises `InvalidInput`."""
        given = self.given()
        subject = _agreed(given.pop("subject", None), given.pop("title", None))
        return TicketChanges(subject=subject, **given)


def _once_each(values: list[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


class TicketQuery(SortedPaging):
    """Which tickets to list, and which page of them."""

    status: Annotated[list[TicketStatus], Several, AfterValidator(_once_each)] = Field(
        default=[], description="States to list, given with commas or one by one; left out: all"
    )
    priority: Annotated[list[Priority], Several, AfterValidator(_once_each)] = Field(
        default=[], description="Priorities to list, given with commas or one by one; left out: all"
    )
    agent_id: QueryId | None = Field(default=None, description="Tickets this agent has or had last")
    customer_id: QueryId | None = Field(default=None, description="Tickets sold to this customer")
    created_after: Moment | None = Field(default=None, description="Created after this moment, ISO 8601")
    created_before: Moment | None = Field(default=None, description="Created before this moment, ISO 8601")

    def wanted(self) -> TicketFilter:
        """Say it in the use case's words."""
        return TicketFilter(
            statuses=tuple(self.status),
            priorities=tuple(self.priority),
            agent_id=self.agent_id,
            customer_id=self.customer_id,
            text=self.q or None,
            created_after=self.created_after,
            created_before=self.created_before,
        )


class TicketAnswer(Answer):
    """A ticket."""

    id: int = Field(description="Also the creation order")
    subject: str
    title: str = Field(description="The subject again, under the name some clients know")
    description: str
    priority: Priority
    status: TicketStatus
    is_sold: bool
    agent_id: int | None
    assigned_to: int | None = Field(description="The agent's id again, under the name some clients know")
    customer_id: int | None
    created_by: int | None
    epoch: int = Field(description="Rises with every change of hands; also the ETag")
    created_at: datetime
    updated_at: datetime
    assigned_at: datetime | None
    resolved_at: datetime | None
    sold_at: datetime | None


class TicketPage(PageAnswer):
    """One page of tickets."""

    items: list[TicketAnswer]


class EventAnswer(Answer):
    """One line of a ticket's history."""

    id: int
    ticket_id: int
    cause: Cause
    from_status: TicketStatus | None
    to_status: TicketStatus | None
    agent_id: int | None
    actor_id: int | None
    epoch: int
    note: str
    at: datetime


class EventPage(PageAnswer):
    """One page of a ticket's history."""

    items: list[EventAnswer]


def ticket_json(ticket: Ticket) -> dict[str, Any]:
    """Describe a ticket."""
    return {
        "id": ticket.id,
        "subject": ticket.subject,
        "title": ticket.subject,
        "description": ticket.description,
        "priority": ticket.priority,
        "status": ticket.status,
        "is_sold": ticket.status is TicketStatus.SOLD,
        "agent_id": ticket.agent_id,
        "assigned_to": ticket.agent_id,
        "customer_id": ticket.customer_id,
        "created_by": ticket.created_by,
        "epoch": ticket.epoch,
        "created_at": ticket.created_at,
        "updated_at": ticket.updated_at,
        "assigned_at": ticket.assigned_at,
        "resolved_at": ticket.resolved_at,
        "sold_at": ticket.sold_at,
    }


def event_json(event: TicketEvent) -> dict[str, Any]:
    """Describe a line of history."""
    return {
        "id": event.id,
        "ticket_id": event.ticket_id,
        "cause": event.cause,
        "from_status": event.from_status,
        "to_status": event.to_status,
        "agent_id": event.agent_id,
        "actor_id": event.actor_id,
        "epoch": event.epoch,
        "note": event.note,
        "at": event.at,
    }
