from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Engine

from service.bootstrap import Container
from service.store.mails import PostgresMails
from tests.fakes.mail import MemoryCarrier
from tests.integration.mails.mailing import Planned, all_mails, give_address, let_history_settle


@pytest.fixture
def names() -> dict[int, str]:
    return {}


@pytest.fixture
def agent(engine: Engine, make_agent: Callable[..., int], names: dict[int, str]) -> Callable[..., int]:
    """Make an agent with an address."""

    def make(name: str = "ann", **values: object) -> int:
        agent_id = make_agent(name, **values)
        names[agent_id] = name
        give_address(engine, agent_id)
        return agent_id

    return make


@pytest.fixture
def root(make_user: Callable[..., int]) -> int:
    return make_user("root")


@pytest.fixture
def planned(engine: Engine, names: dict[int, str]) -> Planned:
    """Read the history to its end, and say of the mails written since the last time who is told what."""
    seen: set[int] = set()

    def plan() -> list[tuple[str, str, tuple[int, ...]]]:
        let_history_settle(engine)
        while PostgresMails(engine).plan(limit=500, attempts_allowed=14, fresh_s=86_400):
            pass
        fresh = [mail for mail in all_mails(engine) if mail.id not in seen]
        seen.update(mail.id for mail in fresh)
        return [(names[mail.user_id], mail.kind.value, mail.ticket_ids) for mail in fresh]

    return plan


@pytest.fixture
def carrier() -> MemoryCarrier:
    return MemoryCarrier()


@pytest.fixture
def happened(
    container: Container, engine: Engine, make_agent: Callable[..., int], make_tickets: Callable[..., list[int]]
) -> Callable[..., None]:
    """Let people fetch a ticket each, so that each gets a mail."""

    def happen(*names: str) -> None:
        make_tickets(len(names))
        for name in names:
            agent_id = make_agent(name)
            give_address(engine, agent_id)
            container.assignments.fetch(agent_id, limit=1)
        let_history_settle(engine)

    return happen
