"""Agents as records: see `service.usecases.ports.people.AgentStore` for what each method promises.

An agent is a user with a profile. The user half is written by the functions of `service.store.users`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, Select, func, insert, select, update

from service.domain.errors import Conflict, NotFound
from service.domain.model import Agent, Availability, Level, Page, QueuedTicket, Role, User
from service.store import rows
from service.store.engine import statement, transaction
from service.store.paging import keyset_page
from service.store.readings import Readings
from service.store.tables import agents, users
from service.store.uniqueness import taken_values_as_facts
from service.store.users import USERNAME_KEY, create_user, lock_user, matching, plain, user_values, write_user
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.people import AgentChanges, AgentDraft, AgentFilter, AgentProfile, StoredAgent

_COLUMNS: tuple[ColumnElement[Any], ...] = (
    agents.c.id,
    users.c.username,
    users.c.email,
    users.c.first_name,
    users.c.last_name,
    users.c.phone,
    agents.c.is_active,
    agents.c.level,
    agents.c.availability,
    agents.c.auto_assign,
    agents.c.capacity,
    agents.c.held,
    users.c.created_at,
    func.greatest(agents.c.updated_at, users.c.updated_at).label("updated_at"),
)
_NAMES = tuple(str(column.key) for column in _COLUMNS)

_SORT_KEYS: Mapping[str, ColumnElement[Any]] = {
    "id": agents.c.id,
    "username": USERNAME_KEY,
    "held": agents.c.held,
    "level": agents.c.level,
    "capacity": agents.c.capacity,
    "created_at": users.c.created_at,
}

_PROFILE = ("level", "availability", "auto_assign", "capacity")


def agent_from(row: RowMapping) -> Agent:
    """Build an agent from a row of `agents_query`."""
    values = {name: row[name] for name in _NAMES}
    return Agent(**{**values, "level": Level(row["level"]), "availability": Availability(row["availability"])})


def agents_query(*more: ColumnElement[Any]) -> Select[Any]:
    """Select the agents who are there: neither deleted nor turned into something else."""
    joined = select(*_COLUMNS, *more).join(users, users.c.id == agents.c.id)
    return joined.where(users.c.deleted_at.is_(None), users.c.role == Role.AGENT.value)


def _profile_values(given: AgentDraft | AgentChanges | AgentProfile) -> dict[str, Any]:
    values = {name: getattr(given, name) for name in _PROFILE}
    return {name: plain(value) for name, value in values.items() if value is not None}


def _read(connection: Connection, agent_id: int) -> Agent | None:
    row = connection.execute(agents_query().where(agents.c.id == agent_id)).mappings().one_or_none()
    return None if row is None else agent_from(row)


def _reread(connection: Connection, agent_id: int) -> Agent:
    return agent_from(connection.execute(agents_query().where(agents.c.id == agent_id)).mappings().one())


def _check_capacity(connection: Connection, agent_id: int, capacity: int) -> None:
    """Refuse a capacity below what the locked agent holds. Raises `Conflict`."""
    held = connection.execute(select(agents.c.held).where(agents.c.id == agent_id)).scalar_one()
    if capacity < held:
        raise Conflict(
            f"Agent {agent_id} holds {held} tickets, more than a capacity of {capacity}; "
            f"take {held - capacity} of them back first (return or reassign them)",
            held=held,
            capacity=capacity,
        )


class PostgresAgents:
    """Keep agents in PostgreSQL."""

    def __init__(self, engine: Engine, *, readings: Readings | None = None) -> None:
        """Read lists by `readings`."""
        self._engine = engine
        self._readings = readings or Readings(engine)

    def create(self, draft: AgentDraft) -> Agent:
        """Write the user and the profile."""
        values = {**user_values(draft), "role": Role.AGENT.value}
        with transaction(self._engine) as connection:
            created = create_user(connection, values, _profile_values(draft))
            return _reread(connection, created.id)

    def create_profile(self, user_id: int, profile: AgentProfile) -> Agent:
        """Write the profile of a user who has none."""
        with transaction(self._engine) as connection:
            found = lock_user(connection, user_id)
            if found.role is not Role.AGENT:
                raise Conflict(f"User {user_id} has the role '{found.role}'; give them the role 'agent' first")
            with taken_values_as_facts():
                connection.execute(insert(agents).values(id=user_id, **_profile_values(profile)))
            return _reread(connection, user_id)

    def make_agent(self, user_id: int, *, actor_id: int | None) -> Agent:
        """Change the user's role, which writes the profile with it."""
        with transaction(self._engine) as connection:
            found = lock_user(connection, user_id)
            if found.role is not Role.AGENT:
                write_user(connection, found, {"role": Role.AGENT.value}, actor_id=actor_id)
            return _reread(connection, user_id)

    def get(self, agent_id: int) -> Agent | None:
        """Read one agent."""
        if not 1 <= agent_id <= rows.MAX_BIGINT:
            return None
        with statement(self._engine) as connection:
            return _read(connection, agent_id)

    def page(self, wanted: AgentFilter, request: PageRequest) -> Page[Agent]:
        """List agents by keyset."""
        return self._readings.read(
            lambda connection: keyset_page(
                connection,
                select=_filtered(wanted),
                columns=_SORT_KEYS,
                id_column=agents.c.id,
                request=request,
                build=lambda row: agent_from(row._mapping),
            )
        )

    def update(self, agent_id: int, changes: AgentChanges, *, actor_id: int | None) -> StoredAgent:
        """Change the user, then the profile."""
        with transaction(self._engine) as connection:
            before = _lock(connection, agent_id)
            stored = write_user(connection, before, user_values(changes), actor_id=actor_id)
            if changes.capacity is not None:
                _check_capacity(connection, agent_id, changes.capacity)
            if values := _profile_values(changes):
                connection.execute(update(agents).where(agents.c.id == agent_id).values(**values, updated_at=rows.NOW))
            return StoredAgent(agent=_reread(connection, agent_id), returned=stored.returned)

    def delete(self, agent_id: int, *, actor_id: int | None) -> tuple[QueuedTicket, ...]:
        """Mark the agent's user deleted."""
        with transaction(self._engine) as connection:
            before = _lock(connection, agent_id)
            return write_user(connection, before, {"deleted_at": rows.NOW}, actor_id=actor_id).returned


def _lock(connection: Connection, agent_id: int) -> User:
    """Lock the agent's rows and read the user. Raises `NotFound` for a user who is no agent, too."""
    locked = lock_user(connection, agent_id, "agent")
    if _read(connection, agent_id) is None:
        raise NotFound(f"There is no agent {agent_id}")
    return locked


def _filtered(wanted: AgentFilter) -> Select[Any]:
    query = agents_query(USERNAME_KEY)
    if wanted.text:
        query = query.where(matching(wanted.text, with_emails=wanted.with_emails))
    if wanted.username is not None:
        query = query.where(func.lower(wanted.username) == USERNAME_KEY)
    if wanted.level is not None:
        query = query.where(agents.c.level == wanted.level.value)
    if wanted.availability is not None:
        query = query.where(agents.c.availability == wanted.availability.value)
    if wanted.is_active is not None:
        query = query.where(agents.c.is_active.is_(wanted.is_active))
    return query
