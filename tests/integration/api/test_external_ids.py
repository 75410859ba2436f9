"""Tickets created one by one under the names that another system has for them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

BODY = {"subject": "Printer on fire", "external_id": "INC-1"}


def test_it_is_kept_shown_and_found(admin: FlaskClient) -> None:
    created = admin.post("/api/tickets", json={**BODY, "external_id": "  INC-1 "})
    assert (created.status_code, created.json["external_id"]) == (201, "INC-1")
    assert admin.get(created.headers["Location"]).json["external_id"] == "INC-1"
    admin.post("/api/tickets", json={"subject": "Another one"})
    found = admin.get("/api/tickets?external_id=INC-1").json["items"]
    assert [ticket["id"] for ticket in found] == [created.json["id"]]


def test_a_second_ticket_under_it_is_refused_and_the_first_one_named(admin: FlaskClient, engine: Engine) -> None:
    first = admin.post("/api/tickets", json=BODY).json["id"]
    refused = admin.post("/api/tickets", json={**BODY, "subject": "Again"})
    assert (refused.status_code, refused.json["code"]) == (409, "already_exists")
    assert (refused.json["field"], refused.json["ticket_id"]) == ("external_id", first)
    assert refused.json["detail"] == f"Ticket {first} has the external id already"
    admin.delete(f"/api/tickets/{first}")
    gone = admin.post("/api/tickets", json=BODY)
    assert gone.json["detail"] == f"Ticket {first}, which is deleted, has the external id already"
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM tickets")).scalar_one() == 1


def test_a_repeated_request_gets_its_own_ticket_again(admin: FlaskClient, engine: Engine) -> None:
    """Also when the reply to the first try was never kept."""
    first = admin.post("/api/tickets", json=BODY, headers={"Idempotency-Key": "k"})
    again = admin.post("/api/tickets", json=BODY, headers={"Idempotency-Key": "k"})
    assert (again.status_code, again.json) == (201, first.json)
    with engine.begin() as connection:
        connection.execute(text("UPDATE idempotency_keys SET status = NULL, locked_until = now()"))
    after_a_crash = admin.post("/api/tickets", json=BODY, headers={"Idempotency-Key": "k"})
    assert (after_a_crash.status_code, after_a_crash.json) == (201, first.json)
    assert admin.post("/api/tickets", json=BODY, headers={"Idempotency-Key": "other"}).status_code == 409


def test_an_imported_ticket_counts(admin: FlaskClient) -> None:
    rows = admin.post("/api/tickets/import", data=b"subject,external_id\nOne,INC-1\n", content_type="text/csv").json
    assert admin.post("/api/tickets", json=BODY).json["ticket_id"] == rows["rows"][0]["ticket_id"]


def test_of_many_at_once_one_is_made(admin: FlaskClient, app: Any) -> None:
    headers = {"Authorization": admin.environ_base["HTTP_AUTHORIZATION"]}

    def create(_number: int) -> Any:
        return app.test_client().post("/api/tickets", json=BODY, headers=headers)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(create, range(8)))
    [made] = [answer for answer in answers if answer.status_code == 201]
    assert {answer.json["ticket_id"] for answer in answers if answer.status_code == 409} == {made.json["id"]}


@pytest.mark.parametrize("bad", ["", " ", "x" * 201, "two\nlines", "nul\0", 7])
def test_one_that_cannot_be_is_refused(admin: FlaskClient, bad: object) -> None:
    refused = admin.post("/api/tickets", json={**BODY, "external_id": bad})
    assert (refused.status_code, refused.json["errors"][0]["field"]) == (400, "external_id")


def test_it_stays_as_it_is(admin: FlaskClient) -> None:
    ticket = admin.post("/api/tickets", json=BODY).json["id"]
    for method in (admin.put, admin.patch):
        refused = method(f"/api/tickets/{ticket}", json={"subject": "x", "external_id": "INC-2"})
        assert (refused.status_code, refused.json["errors"][0]["field"]) == (400, "external_id")
    assert admin.put(f"/api/tickets/{ticket}", json={"subject": "x"}).json["external_id"] == "INC-1"
