"""Users as records: see `service.usecases.ports.people.UserStore` for what each method promises.

The functions that write a user run in the caller's transaction, so that users and agents are written by the same ones.
Lock order: the agent's row, then the user's, then tickets by id. (A change of the user's standing writes the agent's
row by trigger, which is why that one comes first.)
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from enum import Enum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    RowMapping,
    Select,
    Text,
    func,
    insert,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from service.domain.errors import Conflict, NotFound
from service.domain.model import Cause, Page, QueuedTicket, Role, User
from service.store.engine import statement, transaction
from service.store.paging import keyset_page
from service.store.readings import Readings
from service.store.returns import return_all
from service.store.rows import MAX_BIGINT, NOW, existing_id
from service.store.tables import agents, sessions, users
from service.store.uniqueness import taken_values_as_facts
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.people import UNSET, AgentChanges, AgentDraft, Stored, UserChanges, UserDraft, UserFilter

USER_COLUMNS = tuple(column for column in users.columns if column.name not in {"password_hash", "deleted_at"})
"""What `user` reads, in the order of the table."""

USERNAME_KEY: ColumnElement[str] = func.lower(users.c.username, type_=Text()).label("username_key")
"""What usernames are compared and sorted by."""

_SORT_KEYS: Mapping[str, ColumnElement[Any]] = {
    "id": users.c.id,
    "username": USERNAME_KEY,
    "email": users.c.email,
    "role": users.c.role,
    "created_at": users.c.created_at,
}

_FIELDS = ("username", "email", "first_name", "last_name", "phone", "is_active", "role")

_LOCK_ADMINS = text("SELECT pg_advisory_xact_lock(hashtextextended('fairdeal.admins', 0))")
"""Held until the end of a transaction that makes or unmakes an admin, so that two cannot each leave the last to the
other."""


def user(row: RowMapping) -> User:
    """Build a user from a row of `USER_COLUMNS` (other columns are passed over)."""
    values = {column.name: row[column.name] for column in USER_COLUMNS}
    return User(**{**values, "role": Role(row["role"])})


def user_values(given: UserDraft | UserChanges | AgentDraft | AgentChanges) -> dict[str, Any]:
    """Name the columns of users that a draft or change sets, and their values."""
    values = {name: getattr(given, name, None) for name in _FIELDS if name != "email"}
    set_values = {name: plain(value) for name, value in values.items() if value is not None}
    if given.email is not UNSET:
        set_values["email"] = given.email
    if given.password is not None:
        set_values["password_hash"] = given.password
    return set_values


def plain(value: Any) -> Any:
    """Return the text behind a member of an enumeration, and anything else as it is."""
    return value.value if isinstance(value, Enum) else value


def matching(words: str, *, with_emails: bool) -> ColumnElement[bool]:
    """Look for words in username, full name, and email where that may be seen: a search tells what it looks through."""
    full_name = users.c.first_name + " " + users.c.last_name
    columns = (users.c.username, full_name, *([users.c.email] if with_emails else []))
    return or_(*(column.icontains(words, autoescape=True) for column in columns))


def create_user(connection: Connection, values: Mapping[str, Any], profile: Mapping[str, Any]) -> User:
    """Write a user, and for the role agent a profile with it. Raises `AlreadyExists`."""
    with taken_values_as_facts():
        row = connection.execute(insert(users).values(**values).returning(*USER_COLUMNS)).mappings().one()
    created = user(row)
    if created.role is Role.AGENT:
        connection.execute(insert(agents).values(id=created.id, **profile))
    return created


def lock_user(connection: Connection, user_id: int, noun: str = "user") -> User:
    """Lock the agent's row, where there is one, then the user's, and read it. Raises `NotFound`."""
    existing_id(user_id, noun)
    connection.execute(select(agents.c.id).where(agents.c.id == user_id).with_for_update(key_share=True))
    query = select(*USER_COLUMNS).where(users.c.id == user_id, users.c.deleted_at.is_(None))
    row = connection.execute(query.with_for_update(key_share=True)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"There is no {noun} {user_id}")
    return user(row)


def write_user(connection: Connection, before: User, values: Mapping[str, Any], *, actor_id: int | None) -> Stored:
    """Change a locked user and draw the consequences for admins, tickets and sessions. Raises as `UserStore` says."""
    if not values:
        return Stored(user=before)
    deleted = "deleted_at" in values
    role, is_active = Role(values.get("role", before.role)), values.get("is_active", before.is_active) and not deleted
    if before.role is Role.ADMIN and before.is_active and not (role is Role.ADMIN and is_active):
        _check_another_admin(connection, before.id)
    change = update(users).where(users.c.id == before.id).values(**values, updated_at=NOW).returning(*USER_COLUMNS)
    with taken_values_as_facts():
        after = user(connection.execute(change).mappings().one())
    if after.role is Role.AGENT:
        connection.execute(upsert(agents).values(id=after.id).on_conflict_do_nothing())
    if not is_active or "password_hash" in values:
        _end_sessions(connection, after.id)
    returned: list[QueuedTicket] = []
    if before.role is Role.AGENT and not (role is Role.AGENT and is_active):
        cause = Cause.DELETE if deleted else Cause.DEACTIVATE
        note = "" if role is Role.AGENT else f"role changed to {role}"
        returned = return_all(connection, agent_id=after.id, actor_id=actor_id, cause=cause, note=note)
    return Stored(user=after, returned=tuple(returned))


def _check_another_admin(connection: Connection, user_id: int) -> None:
    connection.execute(_LOCK_ADMINS)
    if _first_admin(connection, users.c.id != user_id) is None:
        raise Conflict("This is the last active admin; make somebody else an admin first")


def _first_admin(connection: Connection, *conditions: ColumnElement[bool]) -> User | None:
    query = (
        select(*USER_COLUMNS)
        .where(users.c.role == Role.ADMIN.value, users.c.is_active, users.c.deleted_at.is_(None), *conditions)
        .order_by(users.c.id)
        .limit(1)
    )
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else user(row)


def _end_sessions(connection: Connection, user_id: int) -> None:
    of_user = (sessions.c.user_id == user_id, sessions.c.revoked_at.is_(None))
    connection.execute(update(sessions).where(*of_user).values(revoked_at=NOW))


class PostgresUsers:
    """Keep users in PostgreSQL."""

    def __init__(self, engine: Engine, *, readings: Readings | None = None) -> None:
        """Read lists by `readings`."""
        self._engine = engine
        self._readings = readings or Readings(engine)

    def create(self, draft: UserDraft) -> User:
        """Write a user."""
        with transaction(self._engine) as connection:
            return create_user(connection, user_values(draft), {})

    def get(self, user_id: int) -> User | None:
        """Read one user."""
        if not 1 <= user_id <= MAX_BIGINT:
            return None
        query = select(*USER_COLUMNS).where(users.c.id == user_id, users.c.deleted_at.is_(None))
        with statement(self._engine) as connection:
            row = connection.execute(query).mappings().one_or_none()
        return None if row is None else user(row)

    def usernames(self, ids: Collection[int]) -> dict[int, str]:
        """Read names by primary key."""
        query = select(users.c.id, users.c.username).where(users.c.id.in_(ids))
        with statement(self._engine) as connection:
            return {row.id: row.username for row in connection.execute(query)}

    def page(self, wanted: UserFilter, request: PageRequest) -> Page[User]:
        """List users by keyset."""
        return self._readings.read(
            lambda connection: keyset_page(
                connection,
                select=_filtered(wanted),
                columns={key: column for key, column in _SORT_KEYS.items() if wanted.with_emails or key != "email"},
                id_column=users.c.id,
                request=request,
                build=lambda row: user(row._mapping),
            )
        )

    def update(self, user_id: int, changes: UserChanges, *, actor_id: int | None) -> Stored:
        """Change a user."""
        with transaction(self._engine) as connection:
            before = lock_user(connection, user_id)
            return write_user(connection, before, user_values(changes), actor_id=actor_id)

    def delete(self, user_id: int, *, actor_id: int | None) -> tuple[QueuedTicket, ...]:
        """Mark a user deleted."""
        with transaction(self._engine) as connection:
            before = lock_user(connection, user_id)
            return write_user(connection, before, {"deleted_at": NOW}, actor_id=actor_id).returned

    def ensure_admin(self, draft: Callable[[], UserDraft]) -> tuple[User, bool]:
        """Find or create an admin; two starts at once make one."""
        with transaction(self._engine) as connection:
            connection.execute(_LOCK_ADMINS)
            found = _first_admin(connection)
            return (create_user(connection, user_values(draft()), {}), True) if found is None else (found, False)


def _filtered(wanted: UserFilter) -> Select[Any]:
    query = select(*USER_COLUMNS, USERNAME_KEY).where(users.c.deleted_at.is_(None))
    if wanted.text:
        query = query.where(matching(wanted.text, with_emails=wanted.with_emails))
    if wanted.role is not None:
        query = query.where(users.c.role == wanted.role.value)
    if wanted.is_active is not None:
        query = query.where(users.c.is_active.is_(wanted.is_active))
    return query
