from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from service.api.app import create_app
from service.bootstrap import build_container
from service.config import Settings
from service.dashboard import pages
from service.domain.model import Level, Role, Ticket
from service.usecases.ports.people import AgentDraft, UserDraft
from service.usecases.ports.tickets import TicketDraft
from tests.integration.dashboard.visitor import PASSWORD, Visitor
from tests.one_app import serve


@pytest.fixture(scope="session")
def _app(settings: Settings) -> Iterator[Any]:
    made = build_container(settings)
    app = create_app(made)
    pages.install(app)
    yield app
    made.close()


@pytest.fixture
def app(_app: Any, container: Any) -> Any:
    return serve(_app, container)


@pytest.fixture
def person(container: Any) -> Callable[..., int]:
    """Create somebody who can sign in, and return the id."""

    def make(username: str, role: Role = Role.AGENT, *, capacity: int = 15) -> int:
        if role is Role.AGENT:
            draft = AgentDraft(username=username, password=PASSWORD, level=Level.SENIOR, capacity=capacity)
            return int(container.agents.create(draft).id)
        return int(container.users.create(UserDraft(username=username, password=PASSWORD, role=role)).id)

    return make


@pytest.fixture
def visitor(app: Any) -> Callable[..., Visitor]:
    """Open a browser, signed in as `username`."""

    def opened(username: str | None = None) -> Visitor:
        new = Visitor(app.test_client())
        return new if username is None else new.sign_in(username)

    return opened


@pytest.fixture
def tickets(container: Any) -> Callable[..., list[Ticket]]:
    """Create tickets, which queue themselves."""

    def make(count: int, subject: str = "Printer {n} is on fire", **values: Any) -> list[Ticket]:
        drafts = [TicketDraft(subject=subject.format(n=n), **values) for n in range(1, count + 1)]
        return list(container.tickets.create_many(drafts, actor_id=None))

    return make


@pytest.fixture
def root(person: Callable[..., int]) -> int:
    """An admin's id."""
    return person("root", Role.ADMIN)


@pytest.fixture
def ann(person: Callable[..., int], root: int) -> int:
    """An agent's id."""
    return person("ann")
