"""Agents as JSON: the user and the profile in one."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, Strict

from service.api.schemas.fields import Flag, Id, Note, Text
from service.api.schemas.paging import PageAnswer, SortedPaging
from service.api.schemas.shape import Answer, Changes, Input, documented
from service.api.schemas.users import NULLABLE, PersonAnswer, UserFields
from service.domain.errors import InvalidInput
from service.domain.model import MAX_CAPACITY, Agent, Availability, Level
from service.usecases.ports.people import AgentChanges, AgentDraft, AgentFilter

EXAMPLE = {"username": "ann", "password": "Correct-Horse-9", "email": "ann@example.com", "level": "senior"}

Capacity = Annotated[int, Strict(), Field(ge=1, le=MAX_CAPACITY)]


class AgentPath(Input):
    """Which agent; an agent's id is their user's."""

    agent_id: Id


class AgentQuery(SortedPaging):
    """Which agents to list, and which page of them."""

    level: Level | None = Field(default=None, description="Agents of this level alone")
    availability: Availability | None = Field(default=None, description="Agents who take tickets, or who are away")
    is_active: bool | None = Field(default=None, description="Agents who may sign in, or those who may not")

    def wanted(self, *, with_emails: bool) -> AgentFilter:
        """Say it in the use case's words."""
        return AgentFilter(
            text=self.q,
            with_emails=with_emails,
            level=self.level,
            availability=self.availability,
            is_active=self.is_active,
        )


class AgentFields(UserFields):
    """What an agent has besides name and password."""

    level: Level = Level.JUNIOR
    availability: Availability = Availability.AVAILABLE
    auto_assign: Flag = Field(default=False, description="Whether tickets are assigned without being asked for")
    capacity: Capacity = MAX_CAPACITY


class AgentInput(AgentFields):
    """An agent to create, or the user who is to become one."""

    model_config = documented(EXAMPLE)

    username: Text | None = Field(default=None, description="Required, unless `user` is given")
    password: Text | None = Field(
        default=None, json_schema_extra={"writeOnly": True}, description="Required, unless `user` is given"
    )
    user: Id | None = Field(default=None, description="Make this user an agent; to be given alone")

    def draft(self) -> AgentDraft:
        """Say it in the use case's words. Raises `InvalidInput`."""
        missing = [name for name in ("username", "password") if getattr(self, name) is None]
        if missing:
            raise InvalidInput(*((name, "is required") for name in missing))
        return AgentDraft(**{name: value for name, value in self if name != "user"})

    def only_user(self) -> int:
        """Name the user who is to become an agent. Raises `InvalidInput` where anything else is given."""
        others = sorted(self.model_fields_set - {"user"})
        if self.user is None or others:
            raise InvalidInput(
                *((name, "must be left out where `user` is given; change the agent later") for name in others)
            )
        return self.user


class AgentReplacement(AgentFields):
    """Everything about an agent; a password left out stays as it is."""

    model_config = documented(EXAMPLE)

    username: Text
    password: Text | None = Field(default=None, json_schema_extra={"writeOnly": True})

    def changes(self) -> AgentChanges:
        """Say it in the use case's words."""
        return AgentChanges(**dict(self))


class AgentPatch(Changes):
    """Fields of an agent to change."""

    model_config = documented({"capacity": 10})

    username: Text = ""
    password: Text = Field(default="", json_schema_extra={"writeOnly": True})
    email: Text | None = Field(default=None, json_schema_extra=NULLABLE, description="null clears it")
    first_name: Text = ""
    last_name: Text = ""
    phone: Text = ""
    is_active: Flag = True
    level: Level = Level.JUNIOR
    availability: Availability = Availability.AVAILABLE
    auto_assign: Flag = False
    capacity: Capacity = MAX_CAPACITY

    def changes(self) -> AgentChanges:
        """Say it in the use case's words."""
        return AgentChanges(**self.given())


class AvailabilityInput(Input):
    """Whether to take new tickets."""

    model_config = documented({"availability": "away"})

    availability: Availability


class ReturnInput(Input):
    """Why, for the tickets' history; may be left out."""

    model_config = documented({"reason": "Agent on leave"}, optional=True)

    reason: Note = ""
    dry_run: Flag = Field(default=False, description="Say what would go back, and change nothing")


class AgentAnswer(PersonAnswer):
    """An agent; `id` is also their user's."""

    user: int = Field(description="The id again, under the name some clients know")
    level: Level
    availability: Availability
    auto_assign: bool
    capacity: int
    held: int = Field(description="Tickets in hand now")


class AgentPage(PageAnswer):
    """One page of agents."""

    items: list[AgentAnswer]


class ReturnedAnswer(Answer):
    """Which tickets went back to the queue, in creation order; in a dry run, which would."""

    dry_run: bool
    returned: int
    ticket_ids: list[int]


def agent_json(agent: Agent) -> dict[str, Any]:
    """Describe an agent."""
    return {
        "id": agent.id,
        "user": agent.id,
        "username": agent.username,
        "email": agent.email,
        "first_name": agent.first_name,
        "last_name": agent.last_name,
        "phone": agent.phone,
        "is_active": agent.is_active,
        "level": agent.level,
        "availability": agent.availability,
        "auto_assign": agent.auto_assign,
        "capacity": agent.capacity,
        "held": agent.held,
        "created_at": agent.created_at,
        "updated_at": agent.updated_at,
    }
