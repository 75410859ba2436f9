"""One closed and one sold ticket, old enough to be archived, and people to look at them."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from service.bootstrap import Container
from service.domain.model import Role
from service.usecases.ports.people import AgentDraft, UserDraft
from service.usecases.ports.tickets import TicketDraft
from tests.integration.archiving import KIM, PASSWORD, grow_old, signed_in


@pytest.fixture
def ann(container: Container) -> int:
    return container.agents.create(AgentDraft(username="ann", password=PASSWORD)).id


@pytest.fixture
def root(container: Container) -> FlaskClient:
    container.users.create(UserDraft(username="root", password=PASSWORD, role=Role.ADMIN))
    return signed_in(container, "root")


@pytest.fixture
def pair(container: Container, engine: Engine, ann: int) -> tuple[int, int]:
    """A closed ticket that another system calls A-1, and one sold to Kim; both are old enough to be archived."""
    drafts = [TicketDraft(subject="Closed one", external_id="A-1"), TicketDraft(subject="Sold one")]
    closed, sold = (ticket.id for ticket in container.tickets.create_many(drafts, actor_id=None))
    container.assignments.fetch(ann)
    container.lifecycle.resolve(ann, closed)
    container.lifecycle.close(ann, closed)
    container.lifecycle.sell(ann, sold, KIM)
    grow_old(engine, [closed, sold])
    return closed, sold
