from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from service.api.app import create_app
from service.domain.model import Role
from tests.one_app import serve
from tests.unit.api.fakes import PASSWORD, FakeServices


@pytest.fixture
def services() -> FakeServices:
    return FakeServices()


@pytest.fixture(scope="session")
def _app() -> Any:
    return create_app(FakeServices())  # type: ignore[arg-type]


@pytest.fixture
def app(_app: Any, services: FakeServices) -> Any:
    return serve(_app, services)  # type: ignore[arg-type]


@pytest.fixture
def client(app: Any) -> FlaskClient:
    """A client that has not signed in."""
    return app.test_client()


@pytest.fixture
def sign_in(app: Any, services: FakeServices) -> Callable[[Role], FlaskClient]:
    """Sign in as a role and get a client that sends the token."""

    def signed_in(role: Role) -> FlaskClient:
        client = app.test_client()
        username = services.sessions.users[role].username
        tokens = client.post("/api/token", json={"username": username, "password": PASSWORD}).get_json()
        client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {tokens['access']}"
        return client

    return signed_in


@pytest.fixture
def admin(sign_in: Callable[[Role], FlaskClient]) -> FlaskClient:
    return sign_in(Role.ADMIN)


@pytest.fixture
def agent(sign_in: Callable[[Role], FlaskClient]) -> FlaskClient:
    return sign_in(Role.AGENT)


@pytest.fixture
def operator(sign_in: Callable[[Role], FlaskClient]) -> FlaskClient:
    return sign_in(Role.OPERATOR)
