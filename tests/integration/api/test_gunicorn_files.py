"""Files as gunicorn sends and receives them: whole, or seen not to be."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, text

from service.bootstrap import Container
from service.domain.model import Role
from service.usecases.ports.people import UserDraft
from tests.integration.api.conftest import PASSWORD
from tests.integration.api.test_gunicorn import server as server
from tests.integration.api.web_server import Server

LIMIT = 4_096
"""MAX_BODY_BYTES of the server; files have a limit of their own."""

FORM = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'


@pytest.fixture
def token(server: Server, container: Container) -> str:
    container.users.create(UserDraft(username="root", password=PASSWORD, role=Role.ADMIN))
    body = json.dumps({"username": "root", "password": PASSWORD}).encode()
    head = (
        f"POST /api/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return str(json.loads(server.send(head.encode() + body)[2])["access"])


@pytest.fixture
def connection(server: Server) -> Iterator[http.client.HTTPConnection]:
    made = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    yield made
    made.close()


def fill(engine: Engine, count: int) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO tickets (subject, description) SELECT 'x', repeat('d', 2000) FROM generate_series(1, :n)"
            ),
            {"n": count},
        )


def tickets(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM tickets")).scalar_one())


def test_an_export_comes_in_chunks_and_whole(
    connection: http.client.HTTPConnection, token: str, engine: Engine
) -> None:
    fill(engine, 2_500)
    connection.request("GET", "/api/tickets/export?format=ndjson", headers={"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Transfer-Encoding")) == (200, "chunked")
    assert len(answer.read().splitlines()) == 2_500


def test_an_export_that_fails_under_way_is_seen_not_to_be_whole(
    connection: http.client.HTTPConnection, token: str, engine: Engine
) -> None:
    fill(engine, 20_000)  # 40 MB: more than the sockets hold
    connection.request("GET", "/api/tickets/export?format=ndjson", headers={"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    assert answer.read(1_000)
    with engine.begin() as other:
        other.execute(text("ALTER TABLE tickets RENAME TO tickets_elsewhere"))
    try:
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            answer.read()
    finally:
        with engine.begin() as other:
            other.execute(text("ALTER TABLE tickets_elsewhere RENAME TO tickets"))


@pytest.mark.parametrize("chunked", [True, False])
def test_files_may_be_larger_than_other_bodies(
    connection: http.client.HTTPConnection, token: str, engine: Engine, chunked: bool
) -> None:
    content = b"subject,description\n" + b"".join(b"Ticket %d,%s\n" % (n, b"d" * 100) for n in range(500))
    assert len(content) > 10 * LIMIT
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "text/csv"}
    body: Any = iter([content[:9], content[9:40_000], content[40_000:]]) if chunked else content
    connection.request("POST", "/api/tickets/import", body=body, headers=headers, encode_chunked=chunked)
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["imported"]) == (200, 500)
    assert tickets(engine) == 500


def test_an_upload_that_was_cut_off_is_not_imported(server: Server, token: str, engine: Engine) -> None:
    head = (
        f"POST /api/tickets/import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: text/csv\r\nContent-Length: 5000\r\n\r\nsubject\nOne\nTwo\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as cut_off:
        cut_off.sendall(head.encode())
        cut_off.shutdown(socket.SHUT_WR)
        with http.client.HTTPResponse(cut_off) as answer:
            answer.begin()
            assert (answer.status, json.loads(answer.read())["code"]) == (400, "unreadable_body")
    assert tickets(engine) == 0


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize("media_type", ["text/csv", "multipart/form-data; boundary=x"])
def test_a_file_beyond_the_limit_is_refused_and_its_sender_learns_why(
    connection: http.client.HTTPConnection, token: str, chunked: bool, media_type: str
) -> None:
    content = FORM + b"subject\n" + b"x" * 5_000_000
    headers = {"Authorization": f"Bearer {token}", "Content-Type": media_type}
    body: Any = iter([content[:9], content[9:40_000], content[40_000:]]) if chunked else content
    connection.request("POST", "/api/tickets/import", body=body, headers=headers, encode_chunked=chunked)
    answer = connection.getresponse()
    assert answer.status == 413
    assert json.loads(answer.read())["limit_bytes"] == 1_000_000
