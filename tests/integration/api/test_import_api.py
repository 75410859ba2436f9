"""Importing over HTTP on real servers, and back again."""

from __future__ import annotations

import json
from typing import Any

from flask.testing import FlaskClient

from service.bootstrap import Container


def test_a_small_file_is_answered_row_by_row_and_may_be_repeated(admin: FlaskClient) -> None:
    data = b"subject,external_id,priority\nOne,a,low\nTwo,b,urgent\nThree,,\n"
    first = admin.post("/api/tickets/import", data=data, content_type="text/csv")
    assert first.status_code == 200
    assert (first.json["imported"], first.json["already_there"], first.json["bad"]) == (2, 0, 1)
    assert first.json["errors"] == [{"line": 3, "message": "priority: must be high, medium or low"}]
    again = admin.post("/api/tickets/import", data=data.replace(b"urgent", b"high"), content_type="text/csv").json
    assert [(row["line"], row["outcome"]) for row in again["rows"]] == [
        (2, "already_there"),
        (3, "created"),
        (4, "created"),
    ]
    ticket = admin.get("/api/tickets?external_id=a").json["items"]
    assert [item["id"] for item in ticket] == [again["rows"][0]["ticket_id"]]
    assert (ticket[0]["subject"], ticket[0]["external_id"]) == ("One", "a")
    history = admin.get(f"/api/tickets/{ticket[0]['id']}/history").json["items"]
    assert [(event["cause"], event["actor_id"]) for event in history] == [("import", admin.user_id)]  # type: ignore[attr-defined]


def test_an_aborted_import_keeps_what_came_before(admin: FlaskClient) -> None:
    data = b"subject,priority\nOne,low\nTwo,urgent\nThree,low\n"
    answer = admin.post("/api/tickets/import?on_error=abort", data=data, content_type="text/csv").json
    assert (answer["imported"], answer["bad"], answer["stopped"]) == (1, 1, True)
    assert admin.get("/api/tickets").json["total"] == 1


def test_a_file_that_will_not_do_is_a_400_that_says_why(admin: FlaskClient) -> None:
    for data in (b"colour\nred\n", b"", b"colour\n" + b"red\n" * 2_000, b"\xff\xfe\x00"):
        answer = admin.post("/api/tickets/import", data=data, content_type="text/csv")
        assert (answer.status_code, answer.json["errors"][0]["field"]) == (400, "file")


def test_a_large_file_is_imported_in_the_background(admin: FlaskClient, container: Container, ann: Any) -> None:
    lines = [json.dumps({"subject": f"Ticket {n}", "external_id": n}) for n in range(1, 2_501)]
    answer = admin.post("/api/tickets/import", data="\n".join(lines).encode(), content_type="application/x-ndjson")
    assert (answer.status_code, answer.json["status"], answer.json["requested_by"]) == (202, "queued", admin.user_id)  # type: ignore[attr-defined]
    where = answer.headers["Location"]
    container.imports.run(answer.json["id"])
    done = admin.get(where).json
    assert (done["status"], done["imported"], done["line"]) == ("done", 2_500, 2_500)
    assert ann.get(where).status_code == 403
    assert admin.get("/api/imports/99").status_code == 404
    exported = [json.loads(line) for line in admin.get("/api/tickets/export?format=ndjson").text.splitlines()]
    assert [(row["subject"], row["external_id"]) for row in exported] == [
        (f"Ticket {n}", str(n)) for n in range(1, 2_501)
    ]
