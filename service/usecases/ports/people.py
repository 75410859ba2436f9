"""What the use cases need to keep users, agents and customers."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Protocol

from service.domain.model import (
    MAX_CAPACITY,
    Agent,
    Availability,
    Customer,
    Level,
    Page,
    QueuedTicket,
    Role,
    User,
)
from service.usecases.ports.paging import PageRequest


class Unset(Enum):
    """Stand for "leave as it is" where None is a value of its own."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class UserDraft:
    """A user to be."""

    username: str
    password: str = field(repr=False)
    role: Role
    email: str | None = None
    first_name: str = ""
    last_name: str = ""
    phone: str = ""
    is_active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class UserChanges:
    """New values for a user; None leaves a field as it is, and so does `UNSET` for the email, which None clears."""

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    role: Role | None = None
    email: str | Unset | None = UNSET
    first_name: str | None = None
    last_name: str | None = None
    phone: str | None = None
    is_active: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserFilter:
    """Which users to list; `text` is looked for in username, email and names."""

    text: str | None = None
    with_emails: bool = True
    """Whether who asks may see email addresses: if not, they are neither looked through nor sorted by."""
    role: Role | None = None
    is_active: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentProfile:
    """What an agent has beyond a user."""

    level: Level = Level.JUNIOR
    availability: Availability = Availability.AVAILABLE
    auto_assign: bool = False
    capacity: int = MAX_CAPACITY


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentDraft:
    """An agent to be: the user and the profile in one."""

    username: str
    password: str = field(repr=False)
    email: str | None = None
    first_name: str = ""
    last_name: str = ""
    phone: str = ""
    is_active: bool = True
    level: Level = Level.JUNIOR
    availability: Availability = Availability.AVAILABLE
    auto_assign: bool = False
    capacity: int = MAX_CAPACITY


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileChanges:
    """New values for an agent's profile; None leaves a field as it is."""

    level: Level | None = None
    availability: Availability | None = None
    auto_assign: bool | None = None
    capacity: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentChanges(ProfileChanges):
    """New values for an agent, user and profile; None leaves a field as it is (`UNSET` does for the email)."""

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    email: str | Unset | None = UNSET
    first_name: str | None = None
    last_name: str | None = None
    phone: str | None = None
    is_active: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFilter:
    """Which agents to list; `text` is looked for in username, email and names."""

    text: str | None = None
    with_emails: bool = True
    """As in `UserFilter`."""
    username: str | None = None
    """The one of this name, whatever its case."""
    level: Level | None = None
    availability: Availability | None = None
    is_active: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerDraft:
    """A customer to be."""

    name: str
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerChanges:
    """New values for a customer; None leaves a field as it is."""

    name: str | None = None
    email: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerFilter:
    """Which customers to list; `text` is looked for in name and email, but a whole address finds its customer alone."""

    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A user as written, and the tickets that the change took from their hands."""

    user: User
    returned: tuple[QueuedTicket, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAgent:
    """An agent as written, and the tickets that the change took from their hands."""

    agent: Agent
    returned: tuple[QueuedTicket, ...] = ()


class UserStore(Protocol):
    """Users as records. In drafts and changes of this port, `password` holds the hash.

    Unique values that are taken raise `AlreadyExists`. A user who stops working as an agent (deactivated, deleted,
    another role) loses what they hold in the same transaction. Whoever is deactivated or deleted, or gets another
    password, loses all sessions in the same transaction. The last active admin stays: `Conflict`.
    """

    def create(self, draft: UserDraft) -> User:
        """Write a user, and for the role agent a profile of defaults with it."""

    def get(self, user_id: int) -> User | None:
        """Read one user; None when there is none or they are deleted."""

    def page(self, wanted: UserFilter, request: PageRequest) -> Page[User]:
        """List users by keyset. Raises `InvalidInput` for a cursor or sort key that is not ours."""

    def usernames(self, ids: Collection[int]) -> dict[int, str]:
        """Read the names of users, those deleted included."""

    def update(self, user_id: int, changes: UserChanges, *, actor_id: int | None) -> Stored:
        """Change a user. Raises `NotFound`, `AlreadyExists`, `Conflict` (last admin)."""

    def delete(self, user_id: int, *, actor_id: int | None) -> tuple[QueuedTicket, ...]:
        """Mark a user deleted and return what they held. Raises `NotFound`, `Conflict` (last admin)."""

    def ensure_admin(self, draft: Callable[[], UserDraft]) -> tuple[User, bool]:
        """Return the first active admin, or else create `draft()`; the flag says whether that was needed."""


class AgentStore(Protocol):
    """Agents as records; what `UserStore` says of the user half holds here too."""

    def create(self, draft: AgentDraft) -> Agent:
        """Write the user and the profile in one transaction. Raises `AlreadyExists`."""

    def create_profile(self, user_id: int, profile: AgentProfile) -> Agent:
        """Write the profile of a user with the role agent. Raises `NotFound`, `Conflict` (role), `AlreadyExists`."""

    def make_agent(self, user_id: int, *, actor_id: int | None) -> Agent:
        """Give a user the role agent and a profile, unless they have both. Raises `NotFound`, `Conflict`."""

    def get(self, agent_id: int) -> Agent | None:
        """Read one agent; None when there is none, they are deleted or have another role."""

    def page(self, wanted: AgentFilter, request: PageRequest) -> Page[Agent]:
        """List agents by keyset. Raises `InvalidInput` for a cursor or sort key that is not ours."""

    def update(self, agent_id: int, changes: AgentChanges, *, actor_id: int | None) -> StoredAgent:
        """Change an agent. Raises `NotFound`, `AlreadyExists`, `Conflict` (capacity below what is held)."""

    def delete(self, agent_id: int, *, actor_id: int | None) -> tuple[QueuedTicket, ...]:
        """Mark the agent's user deleted and return what they held. Raises `NotFound`."""


class CustomerStore(Protocol):
    """Customers as records; the email is unique whatever its case."""

    def create(self, draft: CustomerDraft) -> Customer:
        """Write a customer. Raises `AlreadyExists`."""

    def get(self, customer_id: int) -> Customer | None:
        """Read one customer."""

    def page(self, wanted: CustomerFilter, request: PageRequest) -> Page[Customer]:
        """List customers by keyset. Raises `InvalidInput` for a cursor or sort key that is not ours."""

    def update(self, customer_id: int, changes: CustomerChanges) -> Customer:
        """Change a customer. Raises `NotFound`, `AlreadyExists`."""

    def delete(self, customer_id: int) -> None:
        """Remove a customer. Raises `NotFound`, `Conflict` when tickets refer to it."""
