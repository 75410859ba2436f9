"""Stores of people in memory: they keep what they are given, and give back what they are told to."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Any

from service.domain.errors import AlreadyExists
from service.domain.model import Agent, Customer, Page, QueuedTicket, Role, User
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.people import (
    AgentChanges,
    AgentDraft,
    AgentFilter,
    AgentProfile,
    CustomerChanges,
    CustomerDraft,
    CustomerFilter,
    Stored,
    StoredAgent,
    UserChanges,
    UserDraft,
    UserFilter,
)

WHEN = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
NOBODY: Page[Any] = Page(items=(), next=None, total=0, total_is_exact=True)


def a_user(user_id: int = 1, **values: Any) -> User:
    """Make up a user."""
    made_up: dict[str, Any] = {
        "username": "ann",
        "email": None,
        "first_name": "",
        "last_name": "",
        "phone": "",
        "role": Role.AGENT,
        "is_active": True,
        "created_at": WHEN,
        "updated_at": WHEN,
    }
    return User(id=user_id, **(made_up | values))


class RecordingUsers:
    """Record drafts and changes; `returned` is what a change takes from the user's hands."""

    def __init__(self, *, admin: User | None = None, returned: tuple[QueuedTicket, ...] = ()) -> None:
        self.admin = admin
        self.returned = returned
        self.drafts: list[UserDraft] = []
        self.changes: list[UserChanges] = []
        self.filters: list[UserFilter] = []
        self.taken_name: str | None = None

    def create(self, draft: UserDraft) -> User:
        if draft.username == self.taken_name:
            raise AlreadyExists("This username is taken", field="username")
        self.drafts.append(draft)
        return a_user(username=draft.username, role=draft.role)

    def get(self, user_id: int) -> User | None:
        return a_user(user_id) if user_id == 1 else None

    def page(self, wanted: UserFilter, request: PageRequest) -> Page[User]:
        self.filters.append(wanted)
        return NOBODY

    def usernames(self, ids: Collection[int]) -> dict[int, str]:
        return dict.fromkeys(ids, "ann")

    def update(self, user_id: int, changes: UserChanges, *, actor_id: int | None) -> Stored:
        self.changes.append(changes)
        return Stored(user=a_user(user_id), returned=self.returned)

    def delete(self, user_id: int, *, actor_id: int | None) -> tuple[QueuedTicket, ...]:
        return self.returned

    def ensure_admin(self, draft: Callable[[], UserDraft]) -> tuple[User, bool]:
        return (self.create(draft()), True) if self.admin is None else (self.admin, False)


class RecordingAgents:
    """Record drafts and changes; `returned` is what a change takes from the agent's hands."""

    def __init__(self, *, returned: tuple[QueuedTicket, ...] = ()) -> None:
        self.returned = returned
        self.drafts: list[AgentDraft] = []
        self.profiles: list[AgentProfile] = []
        self.made: list[int] = []
        self.changes: list[AgentChanges] = []
        self.filters: list[AgentFilter] = []

    def create(self, draft: AgentDraft) -> Agent:
        self.drafts.append(draft)
        return self._agent(1)

    def create_profile(self, user_id: int, profile: AgentProfile) -> Agent:
        self.profiles.append(profile)
        return self._agent(user_id)

    def make_agent(self, user_id: int, *, actor_id: int | None) -> Agent:
        self.made.append(user_id)
        return self._agent(user_id)

    def get(self, agent_id: int) -> Agent | None:
        return self._agent(agent_id) if agent_id == 1 else None

    def page(self, wanted: AgentFilter, request: PageRequest) -> Page[Agent]:
        self.filters.append(wanted)
        return NOBODY

    def update(self, agent_id: int, changes: AgentChanges, *, actor_id: int | None) -> StoredAgent:
        self.changes.append(changes)
        return StoredAgent(agent=self._agent(agent_id), returned=self.returned)

    def delete(self, agent_id: int, *, actor_id: int | None) -> tuple[QueuedTicket, ...]:
        return self.returned

    @staticmethod
    def _agent(agent_id: int) -> Agent:
        user, profile = a_user(agent_id), AgentProfile()
        return Agent(
            id=user.id,
            username=user.username,
            email=user.email,
            first_name=user.first_name,
            last_name=user.last_name,
            phone=user.phone,
            is_active=user.is_active,
            level=profile.level,
            availability=profile.availability,
            auto_assign=profile.auto_assign,
            capacity=profile.capacity,
            held=0,
            created_at=WHEN,
            updated_at=WHEN,
        )


class RecordingCustomers:
    """Record drafts and changes."""

    def __init__(self) -> None:
        self.drafts: list[CustomerDraft] = []
        self.changes: list[CustomerChanges] = []
        self.filters: list[CustomerFilter] = []

    def create(self, draft: CustomerDraft) -> Customer:
        self.drafts.append(draft)
        return Customer(id=1, name=draft.name, email=draft.email, created_at=WHEN, updated_at=WHEN)

    def get(self, customer_id: int) -> Customer | None:
        return self.create(CustomerDraft(name="Zed", email="z@x.org")) if customer_id == 1 else None

    def page(self, wanted: CustomerFilter, request: PageRequest) -> Page[Customer]:
        self.filters.append(wanted)
        return NOBODY

    def update(self, customer_id: int, changes: CustomerChanges) -> Customer:
        self.changes.append(changes)
        return Customer(id=1, name=changes.name or "", email=changes.email or "", created_at=WHEN, updated_at=WHEN)

    def delete(self, customer_id: int) -> None:
        raise AssertionError("the real store decides about this")
