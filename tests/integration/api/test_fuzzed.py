"""Our own OpenAPI document against the service: whatever is sent, the answer is a documented one, and no 500."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import product
from typing import Any

import pytest
import schemathesis
from argon2 import PasswordHasher
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from service.api.app import create_app
from service.bootstrap import Container
from service.domain.model import Role
from service.usecases.ports.people import AgentDraft, UserDraft
from service.usecases.ports.tickets import TicketDraft
from tests.integration.api.conftest import PASSWORD
from tests.unit.api.fakes import FakeServices

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]


def operations_of(app: Any) -> dict[str, Any]:
    schema = schemathesis.openapi.from_wsgi("/openapi.json", app)
    return {result.ok().label: result.ok() for result in schema.get_all_operations()}


LABELS = sorted(operations_of(create_app(FakeServices())))  # type: ignore[arg-type]


def fuzz(container: Container, label: str, *, examples: int) -> None:
    app = create_app(container)
    container.sessions._passwords._hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    root = container.users.create(UserDraft(username="root", password=PASSWORD, role=Role.ADMIN))
    agent = container.agents.create(AgentDraft(username="ann", password=PASSWORD))
    container.tickets.create_many([TicketDraft(subject=f"Printer {n}") for n in range(3)], actor_id=root.id)
    operation = operations_of(app)[label]
    signed_in: dict[str, str] = {}

    def token(username: str) -> str:
        """Sign in, again where the last request has ended the session."""
        client = app.test_client()
        known = signed_in.get(username)
        if known is None or client.get("/api/me", headers={"Authorization": f"Bearer {known}"}).status_code == 401:
            answer = client.post("/api/token", json={"username": username, "password": PASSWORD})
            signed_in[username] = answer.json.get("access", "gone")
        return signed_in[username]

    places = {"ticket_id": 1, "agent_id": agent.id, "user_id": agent.id}
    known = {name: value for name, value in places.items() if f"{{{name}}}" in operation.path}
    for mode, username in product((GenerationMode.POSITIVE, GenerationMode.NEGATIVE), ("root", "ann")):
        for path in [None, known] if known else [None]:
            ask(operation.as_strategy(mode, path_parameters=path), partial(token, username), examples=examples)


def ask(strategy: Any, token: Callable[[], str], *, examples: int) -> None:
    """Send some requests, the same ones every time."""

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy)
    def one(case: Any) -> None:
        case.headers["Authorization"] = f"Bearer {token()}"
        case.call_and_validate(checks=CHECKS)

    with suppress(Unsatisfiable):  # nothing can be wrong with a request that has nothing in it
        one()


@pytest.mark.parametrize("label", [label for label in LABELS if label.startswith("POST ")][::6])
def test_some_operations_answer_odd_requests_as_documented(container: Container, label: str) -> None:
    fuzz(container, label, examples=2)


@pytest.mark.faults
@pytest.mark.lasts(10)
@pytest.mark.parametrize("label", LABELS)
def test_every_operation_answers_whatever_is_sent_as_documented(container: Container, label: str) -> None:
    fuzz(container, label, examples=5)
