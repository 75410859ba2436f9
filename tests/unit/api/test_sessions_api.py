from __future__ import annotations

import base64
import json
import time
from datetime import timedelta
from typing import Any

import jwt
import pytest
from flask.testing import FlaskClient
from flask_jwt_extended import create_access_token, jwt_required

from service.api.access import anonymous
from service.api.app import create_app
from service.domain.model import Role
from tests.unit.api.fakes import PASSWORD, FakeServices

KEY = "a key that is good enough for tests"


def log_in(client: FlaskClient, username: str = "root") -> dict[str, Any]:
    return client.post("/api/token", json={"username": username, "password": PASSWORD}).get_json()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def part(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def test_signing_in_gives_a_pair_of_tokens(client: FlaskClient) -> None:
    tokens = log_in(client)
    assert set(tokens) == {"access", "refresh", "token_type", "expires_in"}
    assert tokens["token_type"] == "Bearer"
    assert tokens["expires_in"] == 15 * 60
    assert client.get("/api/me", headers=bearer(tokens["access"])).json["username"] == "root"


def test_tokens_name_the_user_and_the_session_and_no_role(client: FlaskClient, services: FakeServices) -> None:
    tokens = log_in(client)
    access = jwt.decode(tokens["access"], KEY, algorithms=["HS256"])
    assert access["sub"] == "1"
    assert [access["sid"]] == [str(session) for session in services.sessions.open]
    assert "role" not in access
    refresh = jwt.decode(tokens["refresh"], KEY, algorithms=["HS256"])
    assert refresh["type"] == "refresh"
    assert refresh["exp"] - time.time() == pytest.approx(14 * 86_400, abs=60)


def test_wrong_passwords_and_unknown_users_get_the_same_answer(client: FlaskClient) -> None:
    answers = [client.post("/api/token", json={"username": name, "password": "wrong"}) for name in ("root", "nobody")]
    bodies = [{**answer.json, "request_id": None} for answer in answers]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert bodies[0] == bodies[1]
    assert bodies[0]["code"] == "wrong_credentials"
    assert "WWW-Authenticate" in answers[0].headers


@pytest.mark.parametrize("where", ["body", "header"])
def test_refresh_rotates_the_pair(client: FlaskClient, where: str) -> None:
    first = log_in(client)
    send = {"json": {"refresh": first["refresh"]}} if where == "body" else {"headers": bearer(first["refresh"])}
    second = client.post("/api/token/refresh", **send)  # type: ignore[arg-type]
    assert second.status_code == 200
    assert second.json["refresh"] != first["refresh"]
    assert client.post("/api/token/refresh", json={"refresh": first["refresh"]}).status_code == 401
    assert client.get("/api/me", headers=bearer(second.json["access"])).status_code == 200


def test_the_two_kinds_of_token_are_not_taken_for_each_other(client: FlaskClient) -> None:
    tokens = log_in(client)
    refused = client.get("/api/me", headers=bearer(tokens["refresh"]))
    assert refused.status_code == 401
    assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]
    assert client.post("/api/token/refresh", json={"refresh": tokens["access"]}).status_code == 401


@pytest.mark.parametrize("kind", ["access", "refresh"])
def test_signing_out_ends_the_session_at_once(client: FlaskClient, kind: str) -> None:
    tokens = log_in(client)
    send = {"json": {"refresh": tokens[kind]}} if kind == "refresh" else {"headers": bearer(tokens[kind])}
    answer = client.post("/api/token/revoke", **send)  # type: ignore[arg-type]
    assert (answer.status_code, answer.data) == (204, b"")
    assert client.get("/api/me", headers=bearer(tokens["access"])).json["reason"] == "revoked"
    assert client.post("/api/token/refresh", json={"refresh": tokens["refresh"]}).status_code == 401


@pytest.mark.parametrize("path", ["/api/token/refresh", "/api/token/revoke"])
def test_a_token_is_asked_for_where_none_is_sent(client: FlaskClient, path: str) -> None:
    answer = client.post(path)
    assert (answer.status_code, answer.json["reason"]) == (401, "missing")


@pytest.mark.parametrize(
    "token",
    [
        "nonsense",
        "a.b.c",
        "....",
        "é.é.é",
        "\x85 x",
        part(b"[" * 2_500) + "." + part(b"{}") + ".x",
        part(b'{"alg":"HS256"}') + "." + part(b"[" * 2_500) + ".x",
        part(b'{"alg":["HS256"],"typ":1}') + "." + part(b"{}") + ".x",
        part(b'"HS256"') + "." + part(b"{}") + ".x",
        part(b"\xff\xfe") + "." + part(b"{}") + ".x",
        jwt.encode({"sub": "1", "type": "access"}, "", algorithm="none"),
        jwt.encode({"sub": "1", "type": "access"}, "another key that is long enough too", algorithm="HS256"),
        jwt.encode({"sub": "1", "type": "access", "jti": "x", "exp": 2**33}, KEY, algorithm="HS256"),
        jwt.encode({"sub": "1", "sid": "no uuid", "jti": "x", "exp": 2**33}, KEY, algorithm="HS256"),
        jwt.encode({"sub": "1", "sid": 5, "jti": 5, "exp": 2**33}, KEY, algorithm="HS256"),
        jwt.encode({"sub": 1}, KEY, algorithm="HS256"),
        jwt.encode({}, KEY, algorithm="HS256"),
    ],
)
def test_tokens_that_are_not_ours_are_refused(client: FlaskClient, token: str) -> None:
    for answer in (
        client.get("/api/me", headers={"Authorization": f"Bearer {token}".encode().decode("latin-1")}),
        client.post("/api/token/refresh", json={"refresh": token}),
    ):
        assert answer.status_code == 401
        assert answer.json["reason"] == "invalid"


@pytest.mark.parametrize("header", ["Basic cm9vdDp4", "Bearer", "Bearer ", "token", "Bearer,", ",Bearer x", "x" * 5000])
def test_other_authorization_headers_are_refused(client: FlaskClient, header: str) -> None:
    answer = client.get("/api/me", headers={"Authorization": header})
    assert (answer.status_code, answer.json["code"]) == (401, "not_signed_in")


def test_the_scheme_may_be_written_in_any_case(client: FlaskClient) -> None:
    access = log_in(client)["access"]
    assert client.get("/api/me", headers={"Authorization": f"bearer  {access}"}).status_code == 200


def test_expired_tokens_are_refused_although_they_were_verified_before(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = log_in(client)["access"]
    assert client.get("/api/me", headers=bearer(access)).status_code == 200
    exp = jwt.decode(access, KEY, algorithms=["HS256"])["exp"]
    monkeypatch.setattr("service.api.tokens.time.time", lambda: exp + 1.0)
    monkeypatch.setattr("jwt.api_jwt.datetime", _later(exp + 1))
    answer = client.get("/api/me", headers=bearer(access))
    assert (answer.status_code, answer.json["reason"]) == (401, "expired")


def _later(moment: float) -> Any:
    from datetime import datetime as real

    class Clock(real):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return real.fromtimestamp(moment, tz)

    return Clock


def test_the_memory_of_verified_tokens_is_bounded(
    client: FlaskClient, app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.api.tokens.CACHE_SIZE", 3)
    for _ in range(8):
        assert client.get("/api/me", headers=bearer(log_in(client)["access"])).status_code == 200
    assert len(app.extensions["fairdeal.tokens"]._verified) <= 3


def test_the_librarys_own_refusals_look_like_ours(services: FakeServices) -> None:
    app = create_app(services)

    @app.get("/guarded")
    @anonymous
    @jwt_required()
    def guarded() -> str:
        return "in"

    with app.app_context():
        expired = create_access_token("1", expires_delta=timedelta(seconds=-1))
    client = app.test_client()
    for headers, reason in ((None, "missing"), (bearer("x.y.z"), "invalid"), (bearer(expired), "expired")):
        answer = client.get("/guarded", headers=headers)
        assert (answer.status_code, answer.content_type) == (401, "application/problem+json")
        assert answer.json["reason"] == reason


def test_changing_the_password_passes_both_on(agent: FlaskClient, services: FakeServices) -> None:
    answer = agent.post("/api/me/password", json={"old_password": PASSWORD, "new_password": "Battery-Staple-7"})
    assert answer.status_code == 204
    assert services.sessions.password_changes == [{"old": PASSWORD, "new": "Battery-Staple-7", "who": "ann"}]


def test_me_is_the_caller(agent: FlaskClient, services: FakeServices) -> None:
    assert agent.get("/api/me").status_code == 200
    assert services.users.last == ("get", (services.sessions.users[Role.AGENT].id,), {})


def test_claims_are_plain_json(client: FlaskClient) -> None:
    payload = log_in(client)["access"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert set(claims) == {"fresh", "iat", "jti", "type", "sub", "nbf", "exp", "sid"}
