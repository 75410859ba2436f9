"""Keeping users: who may sign in, and as what."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any, TypeVar

from service.domain.errors import AlreadyExists, NotFound
from service.domain.model import MAX_CAPACITY, Page, Role, User
from service.domain.people_rules import USERNAME_RULE, check_strength, is_username
from service.usecases.hints import opened
from service.usecases.passwords import Passwords, generate_password
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.people import AgentChanges, AgentDraft, Unset, UserChanges, UserDraft, UserFilter, UserStore
from service.usecases.ports.queue import TicketQueue
from service.usecases.ports.tickets import TicketPlaces
from service.usecases.validation import Problems, search_text

_TEXTS = {"first_name": 150, "last_name": 150, "phone": 64}
"""The free texts about a user, and the most characters of each."""

D = TypeVar("D", UserDraft, UserChanges, AgentDraft, AgentChanges)


class Users:
    """Create, change and remove users; `ring` is told that there may be an agent again to give tickets to."""

    def __init__(
        self,
        *,
        store: UserStore,
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

    def create(self, draft: UserDraft) -> User:
        """Create a user; one with the role agent gets a profile of defaults. Raises `InvalidInput`, `AlreadyExists`."""
        return self._store.create(hashed(checked(draft), self._passwords))

    def get(self, user_id: int) -> User:
        """Read one user. Raises `NotFound`."""
        user = self._store.get(user_id)
        if user is None:
            raise NotFound(f"There is no user {user_id}")
        return user

    def page(self, wanted: UserFilter, request: PageRequest) -> Page[User]:
        """List users. Raises `InvalidInput` for a search text, a sort or a cursor that will not do."""
        return self._store.page(replace(wanted, text=search_text(wanted.text)), request)

    def usernames(self, ids: Collection[int]) -> dict[int, str]:
        """Name users by their ids, by one query; those who have been deleted are named too."""
        return self._store.usernames(ids) if ids else {}

    def update(self, user_id: int, changes: UserChanges, *, actor_id: int | None) -> User:
        """Change a user.

        An agent who is deactivated or gets another role loses what they hold, which goes back to its places in the
        queue. Deactivation and a new password end the user's sessions. Raises `NotFound`, `InvalidInput`,
        `AlreadyExists`, and `Conflict` where no active admin would be left.
        """
        stored = self._store.update(user_id, hashed(checked(changes), self._passwords), actor_id=actor_id)
        opened(self._queue, self._places, stored.returned, held_by=user_id)
        self._ring()
        return stored.user

    def delete(self, user_id: int, *, actor_id: int | None) -> None:
        """Delete a user, with the consequences of deactivation. Their name is free again; their history stays.

        Raises `NotFound`, and `Conflict` where no active admin would be left.
        """
        opened(self._queue, self._places, self._store.delete(user_id, actor_id=actor_id), held_by=user_id)

    def set_password(self, user_id: int, password: str, *, actor_id: int | None) -> None:
        """Set a user's password and end all their sessions. Raises `NotFound`, `InvalidInput`."""
        self.update(user_id, UserChanges(password=password), actor_id=actor_id)

    def ensure_admin(self, username: str, password: str | None) -> tuple[User, str | None]:
        """Return the first active admin; where there is none, create one by this name.

        The second value is the password generated for a new admin when none was given: show it once, it is kept
        nowhere. Raises `InvalidInput`, and `AlreadyExists` when somebody who is no active admin has the name.
        """
        chosen = generate_password() if password is None else password

        def draft() -> UserDraft:
            return hashed(checked(UserDraft(username=username, password=chosen, role=Role.ADMIN)), self._passwords)

        try:
            admin, created = self._store.ensure_admin(draft)
        except AlreadyExists as exc:
            raise AlreadyExists(
                f"There is no active admin, and the user {username!r} is not one; name the first admin differently",
                field="username",
            ) from exc
        return admin, chosen if created and password is None else None


def checked(given: D) -> D:
    """Return a draft or changes as they are to be stored. Raises `InvalidInput` naming every bad field at once."""
    problems = Problems()
    if given.username is not None and not is_username(given.username):
        problems.add("username", USERNAME_RULE)
    if given.password is not None:
        for message in check_strength(given.password):
            problems.add("password", message)
    texts: dict[str, Any] = {"email": _email(problems, given.email)}
    for field, most in _TEXTS.items():
        text = getattr(given, field)
        texts[field] = None if text is None else problems.text(field, text, most=most)
    if isinstance(given, AgentDraft | AgentChanges) and given.capacity is not None:
        problems.number("capacity", given.capacity, least=1, most=MAX_CAPACITY)
    problems.raise_any()
    return replace(given, **texts)


def _email(problems: Problems, email: str | Unset | None) -> str | Unset | None:
    """Return the address; an empty one is none."""
    if isinstance(email, str):
        return problems.email("email", email) if email.strip() else None
    return email


def hashed(given: D, passwords: Passwords) -> D:
    """Put the hash in the place of the password, where there is one: the store gets to see nothing else."""
    return given if given.password is None else replace(given, password=passwords.hash(given.password))
