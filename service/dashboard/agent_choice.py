"""Choosing an agent by name: from a list where it is short enough, else typed with suggestions."""

from __future__ import annotations

from dataclasses import dataclass

from flask import request

from service.api.services import services
from service.domain.errors import InvalidInput, NotFound
from service.domain.model import Agent
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.people import AgentFilter

FEW = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """The agents to choose from, by name; `all_shown` is False where there are more."""

    agents: tuple[Agent, ...]
    all_shown: bool


def choices() -> Choices:
    """List the agents who are active."""
    found = services().agents.page(AgentFilter(is_active=True), PageRequest(limit=FEW, sort="username"))
    return Choices(agents=found.items, all_shown=found.next is None)


def chosen(name: str = "agent") -> Agent:
    """Read which agent a form names. Raises `InvalidInput`."""
    given = request.values.get(name, "").strip()
    if not given:
        raise InvalidInput((name, "must be chosen"))
    try:
        return services().agents.named(given)
    except NotFound as error:
        raise InvalidInput((name, f"must be an agent's username; nobody is called {given!r}")) from error
