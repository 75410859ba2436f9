"""Our own OpenAPI document against the service: whatever is sent, the answer is a documented one, and no 500."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from argon2 import PasswordHasher
from hypothesis import HealthCheck, Phase, given, settings
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

    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        for username in ("root", "ann"):
            for ids in ({}, {"ticket_id": 1, "agent_id": agent.id, "user_id": agent.id}):
                known = {name: value for name, value in ids.items() if f"{{{name}}}" in operation.path}
                if ids and not known:
                    continue
                try:
                    strategy = operation.as_strategy(mode, path_parameters=known or None)
                except Exception as exc:
                    if "negat" in str(exc).lower():
                        continue
                    raise
                ask(strategy, lambda username=username: token(username), examples=examples)


def ask(strategy: Any, token: Any, *, examples: int) -> None:
    @settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy)
    def one(case: Any) -> None:
        case.headers["Authorization"] = f"Bearer {token()}"
        case.call_and_validate(checks=CHECKS)

    one()


@pytest.mark.parametrize("label", LABELS)
def test_fuzz(container: Container, label: str) -> None:
    fuzz(container, label, examples=5)
