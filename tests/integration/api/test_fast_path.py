"""A plain fetch is answered below Flask, and nobody can tell."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text
from werkzeug.test import TestResponse

from service.api import fast_path
from service.api.app import create_app
from service.bootstrap import build_container
from service.config import Settings
from service.domain.errors import StoreUnavailable
from service.domain.model import Role

FETCH = "/api/tickets/fetch"
UNUSUAL: dict[str, dict[str, Any]] = {
    "a body": {"json": {}},
    "a limit": {"json": {"limit": 2}},
    "a broken body": {"data": b"{", "content_type": "application/json"},
    "a key": {"headers": {"Idempotency-Key": "k"}},
    "a query": {"query_string": {"limit": "2"}},
    "another method": {"method": "DELETE"},
    "a slash": {"path": f"{FETCH}/"},
    "no token": {"headers": {"Authorization": ""}},
    "another token": {"headers": {"Authorization": "Bearer x"}},
    "a scheme in small letters": {"headers": {"Authorization": "bearer {access}"}},
    "the refresh token": {"headers": {"Authorization": "Bearer {refresh}"}},
    "chunks": {"environ_overrides": {"HTTP_TRANSFER_ENCODING": "chunked"}},
}


@pytest.fixture
def by_flask(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], TestResponse]], TestResponse]:
    """Have Flask answer a request."""

    def answered(ask: Callable[[], TestResponse]) -> TestResponse:
        with monkeypatch.context() as patched:
            patched.setattr(fast_path, "_is_plain", lambda _environ: False)
            return ask()

    return answered


@pytest.fixture
def reached(app: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of the requests that came to Flask."""
    paths: list[str] = []
    flask = app.wsgi_app._flask

    def noting(environ: Any, start_response: Any) -> Any:
        paths.append(environ["PATH_INFO"])
        return flask(environ, start_response)

    monkeypatch.setattr(app.wsgi_app, "_flask", noting)
    return paths


def fetch(client: FlaskClient, **more: Any) -> TestResponse:
    return client.post(FETCH, headers={"X-Request-ID": "one"}, **more)


def told(response: TestResponse) -> tuple[int, list[tuple[str, str]], Any]:
    return response.status_code, sorted(response.headers.items()), response.get_json()


def event(caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    """The fields of the one event of a request, without its times."""
    (record,) = [record for record in caplog.records if record.message == "request"]
    caplog.clear()
    standard = {*vars(logging.makeLogRecord({})), "message", "asctime", "duration_ms"}
    return {name: value for name, value in vars(record).items() if name not in standard}


@pytest.mark.parametrize("tickets", [0, 3, 15, 40], ids="{} tickets".format)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_it_answers_as_flask_does(
    ann: Any,
    by_flask: Any,
    reached: list[str],
    make_tickets: Callable[..., list[int]],
    caplog: pytest.LogCaptureFixture,
    tickets: int,
    scheme: str,
) -> None:
    make_tickets(tickets)
    ann.get("/api/me")
    reached.clear()
    assigning = fetch(ann)
    assert assigning.get_json()["assigned_now"] == min(tickets, 15)
    with caplog.at_level(logging.INFO):
        polled = fetch(ann, base_url=f"{scheme}://localhost")
        logged = event(caplog)
        assert reached == []
        again = by_flask(lambda: fetch(ann, base_url=f"{scheme}://localhost"))
        assert told(polled) == told(again)
        assert logged == event(caplog)
    assert assigning.get_json() == {**again.get_json(), "assigned_now": min(tickets, 15)}
    metrics = ann.get("/metrics").get_data(as_text=True)
    assert f'fairdeal_http_requests_total{{method="POST",route="{FETCH}",status="200"}} 3.0' in metrics
    assert f"fairdeal_tickets_assigned_total {float(min(tickets, 15))}" in metrics


@pytest.mark.parametrize("what", UNUSUAL)
def test_flask_answers_what_is_unusual(ann: Any, reached: list[str], what: str) -> None:
    fetch(ann)
    reached.clear()
    asked = {"method": "POST", "path": FETCH, **UNUSUAL[what]}
    asked["headers"] = {name: value.format(**ann.tokens) for name, value in asked.get("headers", {}).items()}
    for _ in range(2):  # a token is remembered from the first time on, whatever it is good for
        ann.open(**asked)
    assert len(reached) == 2


@pytest.mark.parametrize(
    ("sql", "status"),
    [
        ("UPDATE sessions SET revoked_at = now()", 401),
        ("UPDATE users SET role = 'admin'", 403),
        ("UPDATE agents SET is_active = false", 403),
        ("UPDATE agents SET availability = 'away'", 409),
    ],
)
def test_it_refuses_as_flask_does(
    engine: Engine, ann: Any, by_flask: Any, caplog: pytest.LogCaptureFixture, sql: str, status: int
) -> None:
    fetch(ann)
    with engine.begin() as connection:
        connection.execute(text(sql))
    with caplog.at_level(logging.INFO):
        refused = fetch(ann)
        logged = event(caplog)
        assert refused.status_code == status
        assert told(refused) == told(by_flask(lambda: fetch(ann)))
        expected = event(caplog)
    # Known to the one before it was refused, and to the other not yet.
    assert {**logged, "user_id": None} == {**expected, "user_id": None}
    assert logged["user_id"] == (None if status == 401 else ann.user_id)


@pytest.mark.parametrize(("error", "status"), [(StoreUnavailable("away"), 503), (RuntimeError("a defect"), 500)])
def test_what_goes_wrong_is_tried_once_and_answered_by_flask(
    ann: Any, container: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    error: Exception, status: int,
) -> None:  # fmt: skip
    fetch(ann)
    tries: list[int] = []

    def fail(agent_id: int, **_: Any) -> None:
        tries.append(agent_id)
        raise error

    monkeypatch.setattr(container.assignments, "fetch", fail)
    with caplog.at_level(logging.INFO):
        failed = ann.post(FETCH)
        logged = event(caplog)
    assert (failed.status_code, failed.get_json()["status"]) == (status, status)
    assert failed.get_json()["request_id"] == failed.headers["X-Request-ID"]
    assert tries == [ann.user_id]
    assert (logged["status"], logged["user_id"]) == (status, ann.user_id)


def test_a_token_is_verified_by_flask_once(ann: Any, reached: list[str]) -> None:
    for _ in range(3):
        assert fetch(ann).status_code == 200
    assert reached == [FETCH]


def test_behind_a_proxy_it_knows_who_came_by_https(settings: Settings, ann: Any) -> None:
    made = build_container(settings.model_copy(update={"trusted_proxies": 1}))
    client = create_app(made).test_client()
    headers = {"Authorization": ann.environ_base["HTTP_AUTHORIZATION"], "X-Forwarded-Proto": "https"}
    for _ in range(2):  # by Flask, then by the fast path
        assert "Strict-Transport-Security" in client.post(FETCH, headers=headers).headers
    made.close()


def test_traces_want_flask_for_every_request(settings: Settings) -> None:
    made = build_container(settings.model_copy(update={"otel_exporter_otlp_endpoint": "http://127.0.0.1:9"}))
    app = create_app(made)
    assert not isinstance(app.wsgi_app, fast_path.FastPath)
    made.close()


def test_who_is_no_agent_is_answered_by_flask(sign_in: Any, reached: list[str]) -> None:
    client = sign_in("root", Role.ADMIN)
    client.get("/api/me")
    reached.clear()
    assert fetch(client).status_code == 403
    assert reached == [FETCH]
