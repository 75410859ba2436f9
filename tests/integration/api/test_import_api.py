"""Importing over HTTP on real servers, and back again."""

from __future__ import annotations

import json
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from service.bootstrap import Container
from service.domain.errors import StoreUnavailable


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


CSV = b"subject\nOne\nTwo\n"


def upload(admin: FlaskClient, data: bytes, *, key: str | None = None) -> Any:
    headers = {} if key is None else {"Idempotency-Key": key}
    return admin.post("/api/tickets/import", data=data, content_type="text/csv", headers=headers)


def forget_reply(engine: Engine) -> None:
    """As if the process had died before it kept the reply."""
    with engine.begin() as connection:
        connection.execute(text("UPDATE idempotency_keys SET status = NULL, locked_until = now()"))


def test_a_small_upload_repeated_under_its_key_makes_nothing_twice(admin: FlaskClient, engine: Engine) -> None:
    first, again = upload(admin, CSV, key="k"), upload(admin, CSV, key="k")
    assert (first.status_code, first.json["imported"], [row["line"] for row in first.json["rows"]]) == (200, 2, [2, 3])
    assert (again.status_code, again.json, again.headers["Idempotency-Replayed"]) == (200, first.json, "true")
    forget_reply(engine)
    found = upload(admin, CSV, key="k")
    assert (found.status_code, found.json["status"], found.json["imported"]) == (202, "done", 2)
    assert admin.get(found.headers["Location"]).json == found.json
    other = upload(admin, CSV + b"Three\n", key="k")
    assert (other.status_code, other.json["code"]) == (422, "idempotency_key_reused")
    assert admin.get("/api/tickets").json["total"] == 2
    assert upload(admin, CSV, key="another").json["imported"] == 2


def test_a_large_upload_repeated_under_its_key_is_the_same_import(
    admin: FlaskClient, container: Container, engine: Engine
) -> None:
    data = b"subject\n" + b"".join(b"Ticket %d\n" % n for n in range(1_500))
    first = upload(admin, data, key="k")
    forget_reply(engine)
    again = upload(admin, data, key="k")
    assert (first.status_code, again.status_code, again.json["id"]) == (202, 202, first.json["id"])
    container.imports.run(first.json["id"])
    assert upload(admin, data, key="k").json["id"] == first.json["id"]
    assert admin.get("/api/tickets").json["total"] == 1_500


def test_a_small_upload_whose_process_dies_goes_on_in_the_background(
    admin: FlaskClient, container: Container, engine: Engine, monkeypatch: Any
) -> None:
    """It dies between a batch and the end: the rows are there, the import is not finished, the reply never sent."""
    store = container.imports._store
    monkeypatch.setattr(store, "finish", died := _Died())
    assert upload(admin, CSV, key="k").status_code == 503
    monkeypatch.undo()
    assert died.calls == 1
    found = upload(admin, CSV, key="k")
    assert (found.status_code, found.json["status"], found.json["imported"]) == (202, "running", 2)
    with engine.begin() as connection:
        connection.execute(text("UPDATE imports SET seen_at = seen_at - interval '1 minute'"))
    container.imports.run(found.json["id"])
    assert admin.get(found.headers["Location"]).json["status"] == "done"
    assert admin.get("/api/tickets").json["total"] == 2


class _Died:
    calls = 0

    def __call__(self, *_args: object, **_options: object) -> None:
        self.calls += 1
        raise StoreUnavailable("PostgreSQL did not answer")


def test_a_file_that_will_not_do_leaves_no_import(admin: FlaskClient) -> None:
    assert upload(admin, b"colour\nred\n", key="k").status_code == 400
    assert admin.get("/api/imports").json["items"] == []


def test_imports_are_listed_the_newest_first_page_by_page(admin: FlaskClient, ann: Any) -> None:
    made = []
    for number in range(3):
        upload(admin, CSV, key=f"k{number}")
        made.append(admin.get("/api/imports").json["items"][0]["id"])
    first = admin.get("/api/imports?limit=2").json
    assert [item["id"] for item in first["items"]] == [made[2], made[1]]
    rest = admin.get(f"/api/imports?limit=2&cursor={first['next']}").json
    assert ([item["id"] for item in rest["items"]], rest["next"], first["total"]) == ([made[0]], None, 3)
    assert admin.get("/api/imports?status=queued,running").json["items"] == []
    assert admin.get("/api/imports?status=lost").status_code == 400
    assert ann.get("/api/imports").status_code == 403
