from __future__ import annotations

import inspect
import logging
from enum import StrEnum

import pytest
from flask import abort
from flask.testing import FlaskClient

from service.api import errors as api_errors
from service.api.access import anonymous
from service.api.app import create_app
from service.domain import errors
from tests.unit.api.fakes import FakeServices

EXPECTED = {
    "invalid_input": 400,
    "wrong_credentials": 401,
    "not_signed_in": 401,
    "forbidden": 403,
    "agent_inactive": 403,
    "not_found": 404,
    "agent_away": 409,
    "agent_at_capacity": 409,
    "already_exists": 409,
    "illegal_move": 409,
    "conflict": 409,
    "ticket_taken": 409,
    "ticket_archived": 409,
    "stale_epoch": 412,
    "idempotency_key_in_flight": 409,
    "idempotency_key_reused": 422,
    "schema_busy": 503,
    "store_unavailable": 503,
    "passwords_busy": 503,
    "too_many_tries": 429,
    "queue_unavailable": 503,
}


def kinds_of_error() -> list[type[errors.FairdealError]]:
    found = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.FairdealError)]
    return [kind for kind in found if kind is not errors.FairdealError]


@pytest.mark.parametrize("kind", kinds_of_error())
def test_every_domain_error_has_a_status(
    client: FlaskClient, services: FakeServices, kind: type[errors.FairdealError]
) -> None:
    error = kind(("field", "is bad")) if kind is errors.InvalidInput else kind("It went wrong", fact=5)
    services.health.results["check"] = error
    answer = client.get("/readyz")
    assert answer.status_code == EXPECTED[kind.code]
    assert answer.content_type == "application/problem+json"
    body = answer.get_json()
    assert (body["code"], body["type"], body["status"]) == (
        kind.code, f"urn:fairdeal:problem:{kind.code}", answer.status_code,
    )  # fmt: skip
    assert body["title"]
    assert body["detail"] == error.detail
    assert ("WWW-Authenticate" in answer.headers) == (answer.status_code == 401)
    assert ("Retry-After" in answer.headers) == (answer.status_code in {429, 503})


def test_facts_stand_beside_the_standard_members_and_never_in_their_place(
    client: FlaskClient, services: FakeServices
) -> None:
    class State(StrEnum):
        SOLD = "sold"

    services.health.results["check"] = errors.IllegalMove("No", present=State.SOLD, sets=frozenset({2, 1}), status="x")
    body = client.get("/readyz").get_json()
    assert (body["present"], body["sets"], body["status"]) == ("sold", [1, 2], 409)


def test_a_new_kind_of_error_is_answered_like_its_parent(client: FlaskClient, services: FakeServices) -> None:
    class Peculiar(errors.Conflict):
        code = "peculiar"

    services.health.results["check"] = Peculiar("How odd")
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json["code"]) == (409, "peculiar")


def test_the_unforeseen_is_logged_and_not_shown(
    client: FlaskClient, services: FakeServices, caplog: pytest.LogCaptureFixture
) -> None:
    services.health.results["check"] = RuntimeError("the password is hunter2")
    with caplog.at_level(logging.ERROR):
        answer = client.get("/readyz")
    assert answer.status_code == 500
    assert answer.content_type == "application/problem+json"
    assert answer.json["code"] == "internal_error"
    assert answer.json["request_id"] == answer.headers["X-Request-ID"]
    assert b"hunter2" not in answer.data
    assert b"RuntimeError" not in answer.data
    assert [record.message for record in caplog.records] == ["request_failed"]
    assert "hunter2" in (caplog.text)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "bad_request"),
        (408, "request_timeout"),
        (418, "im_a_teapot"),
        (431, "request_header_fields_too_large"),
        (502, "bad_gateway"),
    ],
)
def test_other_statuses_of_the_framework_are_problems_too(services: FakeServices, status: int, code: str) -> None:
    app = create_app(services)

    @app.get("/odd")
    @anonymous
    def odd() -> str:
        abort(status)

    answer = app.test_client().get("/odd")
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    assert answer.json["code"] == code


def test_codes_are_unique() -> None:
    codes = [kind.code for kind in api_errors.STATUSES]
    assert len(codes) == len(set(codes))
