"""Whatever is sent, the answer is a 4xx that says what is wrong: never a 500, never HTML, never a silent success."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from service.api.app import create_app
from service.api.schemas.fields import counting_to
from tests.unit.api.fakes import PASSWORD, FakeServices

JSON = "application/json"


def refused(answer: Any, status: int, code: str) -> dict[str, Any]:
    """Expect a problem of ours and return it."""
    assert answer.status_code == status, answer.data
    assert answer.content_type == "application/problem+json"
    body: dict[str, Any] = answer.get_json()
    assert (body["code"], body["status"]) == (code, status)
    assert body["request_id"] == answer.headers["X-Request-ID"]
    assert body["detail"]
    return body


def post(client: FlaskClient, path: str, body: Any) -> Any:
    """Send what the service's own JSON could not write, such as integers beyond 64 bits."""
    return client.post(path, data=json.dumps(body), content_type=JSON)


def fields(body: dict[str, Any]) -> list[str]:
    return [error["field"] for error in body["errors"]]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"not json",
        b'{"subject": NaN}',
        b'{"subject": Infinity}',
        b'{"subject": "\\ud800"}',
        b'{"subject": "\xff\xfe"}',
        b"\xef\xbb\xbf{}",
        b"\x00",
        b" ",
        b'{"subject": "x"} {"subject": "y"}',
        b"{'subject': 'x'}",
        b'{"subject": "x",}',
        b'{"subject": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        b'{"subject": "line\nbreak"}',
    ],
)
def test_what_is_not_json_is_called_that(admin: FlaskClient, body: bytes) -> None:
    refused(admin.post("/api/tickets", data=body, content_type=JSON), 400, "malformed_json")


@pytest.mark.parametrize("body", [b"null", b"[]", b'"{\\"subject\\": \\"x\\"}"', b"5", b"1.5", b"true", b"[{}]"])
def test_json_that_is_no_object_is_called_that(admin: FlaskClient, body: bytes) -> None:
    problem = refused(admin.post("/api/tickets", data=body, content_type=JSON), 400, "invalid_input")
    assert fields(problem) == ["body"]


@pytest.mark.parametrize(
    "content_type", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_other_content_types_are_refused(admin: FlaskClient, content_type: str | None) -> None:
    problem = refused(admin.post("/api/tickets", data=b"{}", content_type=content_type), 415, "unsupported_media_type")
    assert problem["accepted"] == [JSON]


def test_compressed_bodies_are_refused(admin: FlaskClient) -> None:
    answer = admin.post("/api/tickets", data=b"{}", content_type=JSON, headers={"Content-Encoding": "gzip"})
    refused(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "application/vnd.api+json"])
def test_other_names_of_json_are_read(admin: FlaskClient, content_type: str) -> None:
    assert admin.post("/api/tickets", data=b'{"subject": "x"}', content_type=content_type).status_code == 201


def test_an_empty_body_counts_as_an_empty_object(admin: FlaskClient, agent: FlaskClient) -> None:
    assert fields(refused(admin.post("/api/tickets"), 400, "invalid_input")) == ["subject"]
    assert agent.post("/api/tickets/fetch").status_code == 200


def test_a_key_given_twice_counts_once(admin: FlaskClient, services: FakeServices) -> None:
    body = b'{"subject": "first", "subject": "second"}'
    assert admin.post("/api/tickets", data=body, content_type=JSON).status_code == 201
    assert services.tickets.last[1][0].subject == "second"


@pytest.mark.parametrize("value", ["7", 7.0, 7.5, True, None, [], {}, 0, -1, 2**63, 2**64, 10**30, "x"])
def test_ids_in_bodies_are_integers_and_nothing_else(admin: FlaskClient, value: Any) -> None:
    problem = refused(post(admin, "/api/tickets/7/assign", {"agent_id": value}), 400, "invalid_input")
    assert fields(problem) == ["agent_id"]


@pytest.mark.parametrize("value", ["5", 5.0, True, 0, 16, -1, 10**30, []])
def test_the_fetch_limit_is_an_integer_from_1_to_15(agent: FlaskClient, value: Any) -> None:
    problem = refused(post(agent, "/api/tickets/fetch", {"limit": value}), 400, "invalid_input")
    assert fields(problem) == ["limit"]


@pytest.mark.parametrize(
    "ticket_id",
    ["0", "-1", "+1", "007", "1.0", "abc", str(2**63), "9" * 5_000, "\u0663", "%00", "1%00", "null", "%ff", "1;2"],
)
def test_paths_with_other_ids_are_no_paths(admin: FlaskClient, ticket_id: str) -> None:
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        refused(admin.open(f"/api/tickets/{ticket_id}", method=method), 404, "unknown_path")


@pytest.mark.parametrize("most", [1, 9, 10, 19, 99, 100, 305, 1234])
def test_the_pattern_of_ids_ends_where_they_do(most: int) -> None:
    pattern = re.compile(counting_to(most))
    assert [number for number in range(most + 2_000) if pattern.fullmatch(str(number))] == list(range(1, most + 1))


def test_the_largest_id_is_an_id(admin: FlaskClient, services: FakeServices) -> None:
    assert admin.get(f"/api/tickets/{2**63 - 1}").status_code == 200
    assert services.tickets.last[1] == (2**63 - 1,)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=-5", "limit"),
        ("limit=101", "limit"),
        ("limit=ten", "limit"),
        ("limit=", "limit"),
        ("limit=1.5", "limit"),
        ("limit=" + "9" * 5_000, "limit"),
        ("status=unknown", "status.0"),
        ("status=open,unknown", "status.1"),
        ("priority=urgent", "priority.0"),
        ("agent_id=0", "agent_id"),
        ("agent_id=x", "agent_id"),
        (f"customer_id={2**63}", "customer_id"),
        ("q=a%00b", "q"),
        ("q=" + "x" * 201, "q"),
        ("cursor=", "cursor"),
        ("cursor=%00", "cursor"),
        ("cursor=a%20b", "cursor"),
        ("sort=%00", "sort"),
        ("sort=id;drop", "sort"),
        ("created_after=yesterday", "created_after"),
        ("created_after=1700000000", "created_after"),
        ("created_after=0001-01-01T00:00:00%2B23:59", "created_after"),
        ("created_before=9999-12-31T23:59:59-23:59", "created_before"),
        ("colour=red", "colour"),
        ("%FF=1", "%FF"),
    ],
)
def test_bad_query_parameters_are_named(admin: FlaskClient, query: str, field: str) -> None:
    problem = refused(admin.get(f"/api/tickets?{query}"), 400, "invalid_input")
    assert fields(problem) == [field]


def test_invalid_utf8_in_a_query_is_text_like_any_other(admin: FlaskClient) -> None:
    assert admin.get("/api/tickets?q=%FF%FE").status_code == 200


def test_unknown_fields_are_refused_by_name_with_the_known_ones(admin: FlaskClient) -> None:
    problem = refused(admin.post("/api/tickets", json={"subject": "x", "colour": "red"}), 400, "invalid_input")
    assert fields(problem) == ["colour"]
    assert "subject, title, description, priority" in problem["detail"]


def test_values_are_never_repeated_in_refusals(admin: FlaskClient) -> None:
    answer = admin.post("/api/users", json={"username": 5, "password": {"secret": "hunter2"}, "role": "agent"})
    refused(answer, 400, "invalid_input")
    assert b"hunter2" not in answer.data


def test_refusals_stay_short_however_much_is_wrong(admin: FlaskClient) -> None:
    answer = admin.post("/api/tickets", json={f"{n}{'x' * 200}": n for n in range(2_000)})
    assert len(refused(answer, 400, "invalid_input")["errors"]) == 20
    assert len(answer.data) < 20_000


@pytest.mark.parametrize("path", ["/api/users/1", "/api/agents/2", "/api/customers/5", "/api/tickets/7"])
def test_null_is_no_value_for_a_field_to_change(admin: FlaskClient, path: str) -> None:
    field = {"/api/customers/5": "name", "/api/tickets/7": "subject"}.get(path, "first_name")
    problem = refused(admin.patch(path, json={field: None}), 400, "invalid_input")
    assert problem["errors"] == [{"field": field, "message": "must not be null; leave it out to keep it"}]


@pytest.mark.parametrize(
    "etag", ["3", "'3'", 'W/"3"', '"x"', '""', '"3", "4"', '"-1"', '"99999999999"', '"\xb3"', "x" * 5_000]
)
def test_an_if_match_that_is_no_etag_is_refused(admin: FlaskClient, etag: str) -> None:
    answer = admin.patch("/api/tickets/7", json={"priority": "high"}, headers={"If-Match": etag})
    refused(answer, 400, "malformed_precondition")


def test_an_oversized_body_is_refused_with_the_limit() -> None:
    app = create_app(FakeServices(MAX_BODY_BYTES="1024"))
    answer = app.test_client().post("/api/token", data=b" " * 1025, content_type=JSON)
    assert refused(answer, 413, "body_too_large")["limit_bytes"] == 1024


@pytest.mark.parametrize(
    "path", ["/nope", "/api", "/api/nope", "/api//tickets", "//api/tickets", "/api/tickets/7/nope", "/docs/../x"]
)
def test_unknown_paths_are_answered_in_json(client: FlaskClient, path: str) -> None:
    refused(client.get(path), 404, "unknown_path")


@pytest.mark.parametrize("method", ["DELETE", "TRACE", "OPTIONS", "BREW"])
def test_wrong_methods_are_answered_with_the_right_ones(client: FlaskClient, method: str) -> None:
    answer = client.open("/api/tickets", method=method)
    assert refused(answer, 405, "method_not_allowed")["allowed"] == ["GET", "HEAD", "POST"]
    assert answer.headers["Allow"] == "GET, HEAD, POST"


def test_names_of_acts_are_not_taken_for_tickets(agent: FlaskClient) -> None:
    assert refused(agent.get("/api/tickets/fetch"), 405, "method_not_allowed")["allowed"] == ["POST"]


def streamed(client: FlaskClient, stream: bytes) -> Any:
    """Send a body the way a server hands it over that has taken chunks apart: without a length."""
    return client.open(
        "/api/token",
        method="POST",
        content_type=JSON,
        input_stream=io.BytesIO(stream),
        environ_overrides={"wsgi.input_terminated": True},
    )


def test_a_chunked_body_is_refused_where_it_goes_beyond_the_limit_and_not_cut() -> None:
    client = create_app(FakeServices(MAX_BODY_BYTES="1024")).test_client()
    login = json.dumps({"username": "root", "password": PASSWORD}).encode()
    assert streamed(client, login.ljust(1024)).status_code == 200
    refused(streamed(client, login.ljust(1025)), 413, "body_too_large")


@pytest.mark.parametrize("sent", [b"", b"{}"])
@pytest.mark.parametrize("terminated", [True, False])
def test_a_body_that_ends_early_is_called_unreadable(client: FlaskClient, sent: bytes, terminated: bool) -> None:
    environ = {"CONTENT_LENGTH": "100"} | ({"wsgi.input_terminated": True} if terminated else {})
    answer = client.open(
        "/api/token",
        method="POST",
        content_type=JSON,
        input_stream=io.BytesIO(sent),
        environ_overrides=environ,
    )
    refused(answer, 400, "unreadable_body")
