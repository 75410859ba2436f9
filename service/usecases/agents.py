"""Keeping agents: users who take tickets, with a level, an availability and a capacity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from service.domain.errors import InvalidInput, NotFound
from service.domain.model import MAX_CAPACITY, Agent, Availability, Page
from service.domain.people_rules import is_username
from service.usecases.hints import opened
from service.usecases.passwords import Passwords
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.people import AgentChanges, AgentDraft, AgentFilter, AgentProfile, AgentStore
from service.usecases.ports.queue import TicketQueue
from service.usecases.ports.tickets import TicketPlaces
from service.usecases.users import checked, hashed
from service.usecases.validation import Problems, search_text


class Agents:
    """Create, change and remove agents; `ring` is told that there may be somebody new to give tickets to."""

    def __init__(
        self,
        *,
        store: AgentStore,
        queue: TicketQueue,
        places: TicketPlaces,
        passwords: Passwords,
        ring: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._queue = queue
        self._places = places
        self._passwords = passwords
        self._ring = ring

    def create(self, draft: AgentDraft) -> Agent:
        """Create the user and the profile in one. Raises `InvalidInput`, `AlreadyExists`."""
        created = self._store.create(hashed(checked(draft), self._passwords))
        self._ring()
        return created

    def create_profile(self, user_id: int, profile: AgentProfile) -> Agent:
        """Create the profile of a user with the role agent who has none.

        Raises `NotFound`, `InvalidInput`, `Conflict` (another role), `AlreadyExists`.
        """
        problems = Problems()
        problems.number("capacity", profile.capacity, least=1, most=MAX_CAPACITY)
        problems.raise_any()
        created = self._store.create_profile(user_id, profile)
        self._ring()
        return created

    def make_agent(self, user_id: int, *, actor_id: int | None) -> Agent:
        """Give a user the role agent, and a profile where they have none; an agent stays as they are.

        Raises `InvalidInput` naming `user` when there is none, and `Conflict` for the last active admin.
        """
        try:
            return self._store.make_agent(user_id, actor_id=actor_id)
        except NotFound as exc:
            raise InvalidInput(("user", f"names nobody: there is no user {user_id}")) from exc

    def get(self, agent_id: int) -> Agent:
        """Read one agent. Raises `NotFound`, also for a user with another role."""
        agent = self._store.get(agent_id)
        if agent is None:
            raise NotFound(f"There is no agent {agent_id}")
        return agent

    def page(self, wanted: AgentFilter, request: PageRequest) -> Page[Agent]:
        """List agents. Raises `InvalidInput` for a search text, a sort or a cursor that will not do."""
        return self._store.page(replace(wanted, text=search_text(wanted.text)), request)

    def named(self, username: str) -> Agent:
        """Read the agent of this name, whatever its case. Raises `NotFound`."""
        name = username.strip()
        found = self._store.page(AgentFilter(username=name), PageRequest(limit=1)).items if is_username(name) else ()
        if not found:
            raise NotFound(f"There is no agent called {name!r}")
        return found[0]

    def update(self, agent_id: int, changes: AgentChanges, *, actor_id: int | None) -> Agent:
        """Change an agent.

        Who is deactivated loses what they hold, which goes back to its places in the queue; deactivation and a new
        password end the agent's sessions. Raises `NotFound`, `InvalidInput`, `AlreadyExists`, and `Conflict` for a
        capacity below what is held.
        """
        stored = self._store.update(agent_id, hashed(checked(changes), self._passwords), actor_id=actor_id)
        opened(self._queue, self._places, stored.returned, held_by=agent_id)
        self._ring()
        return stored.agent

    def delete(self, agent_id: int, *, actor_id: int | None) -> None:
        """Delete an agent, with the consequences of deactivation; their history stays. Raises `NotFound`."""
        opened(self._queue, self._places, self._store.delete(agent_id, actor_id=actor_id), held_by=agent_id)

    def set_availability(self, agent_id: int, availability: Availability) -> Agent:
        """Say whether an agent takes new tickets; what they hold stays with them. Raises `NotFound`."""
        agent = self._store.update(agent_id, AgentChanges(availability=availability), actor_id=agent_id).agent
        self._ring()
        return agent
