from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from service.api.app import create_app
from service.bootstrap import build_container
from service.config import Settings
from service.domain.model import Role
from service.usecases.ports.people import UserDraft
from tests.one_app import serve

PASSWORD = "Correct-horse-7"


@pytest.fixture(scope="session")
def _app(settings: Settings) -> Iterator[Any]:
    made = build_container(settings)
    yield create_app(made)
    made.close()


@pytest.fixture
def app(_app: Any, container: Any) -> Any:
    return serve(_app, container)


@pytest.fixture
def sign_in(app: Any, container: Any) -> Callable[..., FlaskClient]:
    """Create a user, sign in over HTTP, and get a client that sends the token; `client.user_id` says who."""

    def signed_in(username: str, role: Role) -> FlaskClient:
        user = container.users.create(UserDraft(username=username, password=PASSWORD, role=role))
        client = app.test_client()
        tokens = client.post("/api/token", json={"username": username, "password": PASSWORD}).get_json()
        client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {tokens['access']}"
        client.user_id = user.id
        client.tokens = tokens
        return client

    return signed_in


@pytest.fixture
def admin(sign_in: Callable[..., FlaskClient]) -> FlaskClient:
    return sign_in("root", Role.ADMIN)


@pytest.fixture
def ann(sign_in: Callable[..., FlaskClient]) -> Any:
    return sign_in("ann", Role.AGENT)


@pytest.fixture
def bob(sign_in: Callable[..., FlaskClient]) -> Any:
    return sign_in("bob", Role.AGENT)


@pytest.fixture
def operator(sign_in: Callable[..., FlaskClient]) -> FlaskClient:
    return sign_in("olga", Role.OPERATOR)
