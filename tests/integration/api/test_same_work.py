"""Whose name it is does not show in the time a refusal takes: the work is counted, which no clock can blur.

Counted are the hashes computed and the statements sent. What is left is how long PostgreSQL looks for a row that is
there, or is not, by the same index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from argon2 import PasswordHasher
from sqlalchemy import Engine, event, text

from service.api.app import create_app
from service.bootstrap import Container, build_container
from service.config import Settings
from service.dashboard import pages
from service.domain.model import Role
from service.usecases.ports.people import UserChanges, UserDraft
from tests.integration.api.conftest import PASSWORD
from tests.integration.api.test_throttled_doors import DOORS

TRIES = 3
WRONG = "Wrong-horse-7"
NAMES = ["ann", "nobody", "inactive", "deleted", "unusable"]


class CountingHasher(PasswordHasher):
    """Hash cheaply, and count how often."""

    computed = 0

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # noqa: A002 - argon2's name
        """Count once it has been computed: what is no hash is refused before."""
        try:
            return super().verify(hash, password)
        finally:
            self.computed += str(hash).startswith("$argon2id$")

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        self.computed += 1
        return super().hash(password, salt=salt)


class Counted:
    """An application whose work is counted."""

    def __init__(self, container: Container) -> None:
        self.app = create_app(container)
        pages.install(self.app)
        self.hasher = CountingHasher(time_cost=1, memory_cost=8, parallelism=1)
        container.sessions._passwords._hasher = self.hasher
        container.sessions._passwords.matches("", None)  # the hash that stands for nobody's is made once
        self.statements: list[str] = []
        engine = container.sessions._store._engine  # type: ignore[attr-defined]
        event.listen(engine, "before_cursor_execute", lambda *sent: self.statements.append(sent[2]))

    def refusal(self, door: Callable[..., Any], username: str) -> tuple[int, int, list[str]]:
        """Give a wrong password: the status, the hashes computed, the statements sent."""
        client = self.app.test_client()
        client.get("/app/sign-in")
        self.hasher.computed = 0
        self.statements.clear()
        status = door(client, username, WRONG).status_code
        return status, self.hasher.computed, self.statements[:]


@pytest.fixture
def counted(settings: Settings, container: Container, engine: Engine) -> Iterator[Counted]:
    for name in NAMES:
        if name != "nobody":
            container.users.create(UserDraft(username=name, password=PASSWORD, role=Role.OPERATOR))
    root = container.users.create(UserDraft(username="root", password=PASSWORD, role=Role.ADMIN)).id
    ids = {user.username: user.id for user in map(container.users.get, range(1, root + 1))}
    container.users.update(ids["inactive"], UserChanges(is_active=False), actor_id=None)
    container.users.delete(ids["deleted"], actor_id=None)
    with engine.begin() as connection:
        connection.execute(text("UPDATE users SET password_hash = '!' WHERE username = 'unusable'"))
    strict = {"sign_in_tries": TRIES, "sign_in_address_tries": 1000, "sign_in_window_s": 86_400}
    built = build_container(settings.model_copy(update=strict))
    yield Counted(built)
    built.close()


@pytest.mark.parametrize("door", DOORS)
def test_a_wrong_password_is_the_same_work_whoever_is_named(counted: Counted, door: Callable[..., Any]) -> None:
    first = counted.refusal(door, NAMES[0])
    assert first[:2] == (401, 1)
    assert first[2]
    for name in NAMES[1:]:
        assert counted.refusal(door, name) == first, name


@pytest.mark.parametrize("door", DOORS)
def test_a_closed_account_is_the_same_work_whoever_is_named(counted: Counted, door: Callable[..., Any]) -> None:
    for name in NAMES:
        for _ in range(TRIES):
            counted.refusal(door, name)
    first = counted.refusal(door, NAMES[0])
    assert first[:2] == (429, 0)
    for name in NAMES[1:]:
        assert counted.refusal(door, name) == first, name
