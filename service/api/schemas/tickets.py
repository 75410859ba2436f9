"""Tickets as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from service.api.schemas.fields import Description, ExternalId, Id, Moment, QueryId, Search, Several, Subject
from service.api.schemas.paging import PageAnswer, SortedPaging
from service.api.schemas.shape import Answer, Changes, Input, documented
from service.domain.errors import InvalidInput
from service.domain.model import Cause, Priority, Ticket, TicketEvent, TicketStatus
from service.usecases.ports.people import UNSET, Unset
from service.usecases.ports.tickets import TicketChanges, TicketDraft, TicketFilter
from service.usecases.ticket_files import FileFormat

EXAMPLE = {"subject": "Printer on fire", "description": "Third floor, next to the lift.", "priority": "high"}


NULLABLE: Any = {"json_schema_extra": {"x-null": True}}
"""Marks a field that may be null."""


class TicketPath(Input):
    """Which ticket."""

    ticket_id: Id = Field(description="Id of the ticket; ids are the creation order")


def _agreed(subject: str | None, title: str | None) -> str | None:
    """Take the subject under either of its names. Raises `InvalidInput` when they contradict each other."""
    if subject is not None and title is not None and subject != title:
        raise InvalidInput(("title", "must equal `subject` where both are given; one of them is enough"))
    return title if subject is None else subject


class TicketInput(Input):
    """A ticket to create."""

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


class NewTicketInput(TicketInput):
    """A ticket to create, which another system may know already."""

    model_config = documented({**EXAMPLE, "external_id": "INC-1042"})

    external_id: ExternalId | None = Field(
        default=None, description="What another system calls it; no two tickets share one, and it stays as it is"
    )

    def draft(self) -> TicketDraft:
        """Say it in the use case's words. Raises `InvalidInput`."""
        return super().draft()._replace(external_id=self.external_id)


class StateFields(Input):
    """A ticket's state and holder, where clients set them as fields; our own acts say more."""

    status: TicketStatus = Field(default=TicketStatus.OPEN, description="Its state from now on; left out: unchanged")
    agent_id: Id | None = Field(default=None, description="Who is to have it (admin); null: nobody", **NULLABLE)
    assigned_to: Id | None = Field(default=None, description="Another name for `agent_id`", **NULLABLE)

    def new_status(self) -> TicketStatus | None:
        """Say which state is asked for, if any."""
        return self.status if "status" in self.model_fields_set else None

    def new_agent_id(self) -> int | Unset | None:
        """Say whom the ticket is to belong to. Raises `InvalidInput` where the two names contradict each other."""
        wanted = {getattr(self, name) for name in ("agent_id", "assigned_to") if name in self.model_fields_set}
        if len(wanted) > 1:
            raise InvalidInput(("assigned_to", "must equal `agent_id` where both are given; one of them is enough"))
        return wanted.pop() if wanted else UNSET


class TicketReplacement(TicketInput, StateFields):
    """Everything about a ticket but its state and holder, which stay where they are left out."""

    def changes(self, *, given_alone: bool, knows_priority: bool) -> TicketChanges:
        """Replace every field, or those `given_alone`; a client who knows of no priority leaves it as it is.

        Raises `InvalidInput`.
        """
        named = self.model_fields_set
        return TicketChanges(
            subject=self._subject() if not given_alone or named & {"subject", "title"} else None,
            description=self.description if not given_alone or "description" in named else None,
            priority=self.priority if "priority" in named or (knows_priority and not given_alone) else None,
        )


class TicketPatch(StateFields, Changes):
    """Fields of a ticket to change."""

    model_config = documented({"priority": "high"})

    subject: Subject = Field(default="", description="One line")
    title: Subject = Field(default="", description="Another name for `subject`")
    description: Description = ""
    priority: Priority = Priority.MEDIUM

    def changes(self) -> TicketChanges:
        """Say it in the use case's words. Raises `InvalidInput`."""
        given = self.given()
        words = {name: given[name] for name in ("description", "priority") if name in given}
        return TicketChanges(subject=_agreed(given.get("subject"), given.get("title")), **words)


def _once_each(values: list[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


class TicketFilters(Input):
    """Which tickets."""

    status: Annotated[list[TicketStatus], Several, AfterValidator(_once_each)] = Field(
        default=[], description="States, given with commas or one by one; left out: all"
    )
    priority: Annotated[list[Priority], Several, AfterValidator(_once_each)] = Field(
        default=[], description="Priorities, given with commas or one by one; left out: all"
    )
    agent_id: QueryId | None = Field(default=None, description="Tickets this agent has or had last")
    customer_id: QueryId | None = Field(default=None, description="Tickets sold to this customer")
    external_id: Search | None = Field(default=None, description="The ticket that another system calls so")
    holder_away_s: int | None = Field(
        default=None,
        ge=0,
        le=31_536_000,
        description="Tickets held by agents who have been away for at least so many seconds",
    )
    created_after: Moment | None = Field(default=None, description="Created after this moment, ISO 8601")
    created_before: Moment | None = Field(default=None, description="Created before this moment, ISO 8601")
    q: Search | None = Field(default=None, description="Text to search for")
    overdue: bool | None = Field(
        default=None,
        description="Tickets that wait longer for their first assignment or their resolution than the targets of "
        "their priority allow; false: all others",
    )

    archived: bool = Field(
        default=False,
        description="Tickets in the archive, instead of all others: closed or sold, and unchanged for long",
    )

    def wanted(self) -> TicketFilter:
        """Say it in the use case's words."""
        return TicketFilter(
            statuses=tuple(self.status),
            priorities=tuple(self.priority),
            agent_id=self.agent_id,
            customer_id=self.customer_id,
            external_id=self.external_id,
            text=self.q or None,
            created_after=self.created_after,
            created_before=self.created_before,
            overdue=self.overdue,
            holder_away_s=self.holder_away_s,
            archived=self.archived,
        )


class TicketQuery(SortedPaging, TicketFilters):
    """Which tickets to list, and which page of them."""


class ExportQuery(TicketFilters):
    """Which tickets to write to a file, and how."""

    format: FileFormat = Field(default=FileFormat.CSV, description="How the file is written")


class TicketAnswer(Answer):
    """A ticket."""

    id: int = Field(description="Also the creation order")
    subject: str
    title: str = Field(description="The subject again, under the name some clients know")
    description: str
    priority: Priority
    status: TicketStatus
    is_sold: bool
    creation_order: int = Field(description="The id again, under the name some clients know")
    agent_id: int | None
    assigned_to: int | None = Field(description="The agent's id again, under the name some clients know")
    customer_id: int | None
    created_by: int | None = Field(description="A user's id; `{id, username}` where the path ends with a slash")
    epoch: int = Field(description="Rises with every change of hands; also the ETag")
    created_at: datetime
    updated_at: datetime
    assigned_at: datetime | None
    resolved_at: datetime | None
    sold_at: datetime | None
    external_id: str | None = Field(description="What another system calls it")
    archived_at: datetime | None = Field(
        default=None, description="When it went to the archive, where nothing changes; left out of all other tickets"
    )


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
    agent_id: int | None = Field(description="Who has the ticket afterwards; where it went back, who lost it")
    from_agent_id: int | None = Field(description="Who lost it, where it went from hand to hand")
    actor_id: int | None = Field(description="Who did it; null for the service itself")
    priority: Priority | None = Field(description="The priority this gave the ticket; null where that stayed")
    epoch: int
    note: str
    at: datetime


class EventPage(PageAnswer):
    """One page of a ticket's history."""

    items: list[EventAnswer]


def ticket_json(ticket: Ticket) -> dict[str, Any]:
    """Describe a ticket."""
    if ticket.archived_at is not None:
        return {**ticket_json(ticket._replace(archived_at=None)), "archived_at": ticket.archived_at}
    return {
        "id": ticket.id,
        "subject": ticket.subject,
        "title": ticket.subject,
        "description": ticket.description,
        "priority": ticket.priority,
        "status": ticket.status,
        "is_sold": ticket.status is TicketStatus.SOLD,
        "creation_order": ticket.id,
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
        "external_id": ticket.external_id,
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
        "from_agent_id": event.from_agent_id,
        "actor_id": event.actor_id,
        "priority": event.priority,
        "epoch": event.epoch,
        "note": event.note,
        "at": event.at,
    }
