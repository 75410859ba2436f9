"""Tickets from and to files over HTTP: what is read, what is refused, and what is asked of the use cases."""

from __future__ import annotations

import io
from typing import Any

import pytest
from flask.testing import FlaskClient

from service.api.app import create_app
from service.domain.model import Priority, TicketStatus
from service.usecases.ports.imports import OnError
from service.usecases.ports.tickets import TicketFilter
from service.usecases.ticket_files import FileFormat
from tests.unit.api.fakes import IMPORT, PASSWORD, FakeServices

CSV, NDJSON = FileFormat.CSV, FileFormat.NDJSON
LIMIT = 2_048


class Accepting:
    """Keep what was uploaded: the spool is closed afterwards."""

    def __init__(self, services: FakeServices) -> None:
        self.received: bytes | None = None
        self._answer = services.imports.results["accept"]
        self.wanted: dict[str, Any] = {}

    def accept(self, source: Any, **wanted: Any) -> Any:
        self.received = source.read()
        self.wanted = wanted
        return self._answer


@pytest.fixture
def services() -> FakeServices:
    made = FakeServices(MAX_IMPORT_BYTES=str(LIMIT), MAX_BODY_BYTES="1024")
    made.imports = Accepting(made)  # type: ignore[assignment]
    return made


def test_an_export_asks_for_what_the_query_says(admin: FlaskClient, services: FakeServices) -> None:
    answer = admin.get("/api/tickets/export?format=ndjson&status=sold,open&priority=high&agent_id=2&q=x&external_id=a")
    assert (answer.status_code, answer.data) == (200, b"id\r\n7\r\n")
    wanted = TicketFilter(
        statuses=(TicketStatus.SOLD, TicketStatus.OPEN),
        priorities=(Priority.HIGH,),
        agent_id=2,
        external_id="a",
        text="x",
    )
    assert services.ticket_export.last == ("chunks", (wanted,), {"format": NDJSON})
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("media_type", "query", "format_"),
    [
        ("text/csv", "", CSV),
        ("text/csv; charset=utf-8; header=present", "", CSV),
        ("application/x-ndjson", "", NDJSON),
        ("application/x-www-form-urlencoded", "?format=ndjson", NDJSON),
        ("", "?format=csv", CSV),
        ("text/csv", "?format=ndjson&on_error=abort", NDJSON),
    ],
)
def test_the_body_may_be_the_file(
    admin: FlaskClient, services: Any, media_type: str, query: str, format_: FileFormat
) -> None:
    answer = admin.post(f"/api/tickets/import{query}", data=b"subject\nOne\n", headers={"Content-Type": media_type})
    assert answer.status_code == 200
    assert services.imports.received == b"subject\nOne\n"
    on_error = OnError.ABORT if "abort" in query else OnError.SKIP
    assert services.imports.wanted == {"format": format_, "on_error": on_error, "actor_id": 1, "operation_id": None}
    assert answer.json == {
        "imported": 1,
        "already_there": 1,
        "bad": 1,
        "stopped": False,
        "rows": [
            {"line": 2, "ticket_id": 7, "outcome": "created"},
            {"line": 3, "ticket_id": 5, "outcome": "already_there"},
        ],
        "errors": [{"line": 4, "message": "is bad"}],
    }


@pytest.mark.parametrize(
    ("name", "media_type", "query", "format_"),
    [
        ("a.csv", "application/octet-stream", "", CSV),
        ("a.JSONL", "text/plain", "", NDJSON),
        ("a", "text/csv", "", CSV),
        ("a.csv", "text/csv", "?format=ndjson", NDJSON),
    ],
)
def test_the_file_may_be_a_part_of_a_form(
    admin: FlaskClient, services: Any, name: str, media_type: str, query: str, format_: FileFormat
) -> None:
    form = {"file": (io.BytesIO(b"subject\nOne\n"), name, media_type)}
    answer = admin.post(f"/api/tickets/import{query}", data=form)
    assert answer.status_code == 200
    assert services.imports.received == b"subject\nOne\n"
    assert services.imports.wanted["format"] is format_


def test_a_large_file_is_answered_with_where_to_look(admin: FlaskClient, services: Any) -> None:
    services.imports._answer = IMPORT
    answer = admin.post("/api/tickets/import", data=b"x", content_type="text/csv")
    assert (answer.status_code, answer.headers["Location"]) == (202, "/api/imports/9")
    assert (answer.json["status"], answer.json["line"], answer.json["lines"]) == ("running", 1_001, 5_001)
    assert answer.json["errors"] == [{"line": 4, "message": "is bad"}]


def test_a_file_may_be_larger_than_other_bodies_up_to_a_limit_of_its_own(admin: FlaskClient, services: Any) -> None:
    assert admin.post("/api/tickets/import", data=b"x" * LIMIT, content_type="text/csv").status_code == 200
    assert len(services.imports.received) == LIMIT
    for size in (LIMIT + 1, 3 * LIMIT):
        answer = admin.post("/api/tickets/import", data=b"x" * size, content_type="text/csv")
        assert (answer.status_code, answer.json["code"], answer.json["limit_bytes"]) == (413, "body_too_large", LIMIT)
        assert "2,048 bytes" in answer.json["detail"]


@pytest.mark.parametrize("size", [LIMIT, LIMIT + 1, 3 * LIMIT])
def test_a_body_that_does_not_say_its_length_has_the_same_limit(admin: FlaskClient, services: Any, size: int) -> None:
    answer = admin.post(
        "/api/tickets/import",
        input_stream=io.BytesIO(b"x" * size),
        content_type="text/csv",
        environ_overrides={"wsgi.input_terminated": True, "CONTENT_LENGTH": ""},
    )
    assert answer.status_code == (200 if size <= LIMIT else 413)
    if size > LIMIT:
        assert answer.json["limit_bytes"] == LIMIT
        assert services.imports.received is None


def test_a_form_that_is_too_large_is_refused_with_the_limit(admin: FlaskClient) -> None:
    form = {"file": (io.BytesIO(b"x" * LIMIT), "a.csv")}
    answer = admin.post("/api/tickets/import", data=form)
    assert (answer.status_code, answer.json["limit_bytes"]) == (413, LIMIT)


def test_a_file_that_was_cut_off_is_not_imported(admin: FlaskClient, services: Any) -> None:
    answer = admin.post(
        "/api/tickets/import",
        input_stream=io.BytesIO(b"subject\nOne\nTw"),
        content_type="text/csv",
        environ_overrides={"wsgi.input_terminated": True, "CONTENT_LENGTH": "500"},
    )
    assert (answer.status_code, answer.json["code"]) == (400, "unreadable_body")
    assert services.imports.received is None


@pytest.mark.parametrize(
    ("sent", "status", "words"),
    [
        ({"data": b"x", "content_type": "application/json"}, 415, "text/csv, application/x-ndjson or multipart"),
        ({"data": b"x", "content_type": "text/csv", "headers": {"Content-Encoding": "gzip"}}, 415, "compressed"),
        ({"data": {"other": (io.BytesIO(b"x"), "a.csv")}}, 400, "file: must be the one file of the form, not 0"),
        ({"data": {"file": (io.BytesIO(b"x"), "a.xls")}}, 400, "format: must be given as csv or ndjson"),
        ({"data": b"x", "content_type": "text/csv", "query_string": "on_error=ask"}, 400, "on_error"),
        ({"data": b"x", "content_type": "text/csv", "query_string": "formt=csv"}, 400, "formt"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(
    admin: FlaskClient, services: Any, sent: dict[str, Any], status: int, words: str
) -> None:
    answer = admin.post("/api/tickets/import", **sent)
    assert answer.status_code == status
    assert words in answer.json["detail"]
    assert services.imports.received is None


def test_nobody_but_admins_has_a_file_read(services: Any) -> None:
    client = create_app(services).test_client()
    tokens = client.post("/api/token", json={"username": "ann", "password": PASSWORD}).get_json()
    answer = client.post(
        "/api/tickets/import",
        data=b"x",
        content_type="text/csv",
        headers={"Authorization": f"Bearer {tokens['access']}"},
    )
    assert answer.status_code == 403
    assert services.imports.received is None
