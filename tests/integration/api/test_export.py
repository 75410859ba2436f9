"""Tickets to a file over HTTP, from a real database."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from service.bootstrap import Container
from service.domain.model import Priority
from service.usecases.ports.tickets import TicketDraft


def fill(container: Container, count: int) -> list[int]:
    drafts = [TicketDraft(subject=f"Ticket {n}", priority=[*Priority][n % 3]) for n in range(count)]
    return [ticket.id for ticket in container.tickets.create_many(drafts, actor_id=None)]


def test_an_export_holds_every_ticket_once_in_creation_order(admin: FlaskClient, container: Container) -> None:
    ids = fill(container, 2_500)
    container.tickets.delete(ids[7], actor_id=None)
    answer = admin.get("/api/tickets/export")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8; header=present"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="tickets-')
    assert answer.headers["Content-Disposition"].endswith('.csv"')
    assert "Content-Length" not in answer.headers
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert [int(row["id"]) for row in rows] == ids[:7] + ids[8:]


@pytest.mark.parametrize("count", [0, 1, 1_000, 1_001])
def test_pages_end_where_they_should(admin: FlaskClient, container: Container, count: int) -> None:
    ids = fill(container, count) if count else []
    answer = admin.get("/api/tickets/export?format=ndjson")
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    assert [json.loads(line)["id"] for line in answer.text.splitlines()] == ids


def test_an_export_takes_the_filters_of_the_list(admin: FlaskClient, ann: Any, container: Container) -> None:
    fill(container, 9)
    held = [ticket["id"] for ticket in ann.post("/api/tickets/fetch", json={"limit": 2}).json["tickets"]]
    for query in (
        "status=assigned",
        f"agent_id={ann.user_id}",
        "priority=low,high",
        "q=ticket+3",
        "created_after=2026-01-01",
        "created_before=2026-01-01",
        "overdue=true",
        "overdue=false",
        "external_id=x",
        "customer_id=1",
        "status=assigned&holder_away_s=0",
    ):
        listed = [item["id"] for item in admin.get(f"/api/tickets?limit=100&{query}").json["items"]]
        text = admin.get(f"/api/tickets/export?format=ndjson&{query}").text
        assert [json.loads(line)["id"] for line in text.splitlines()] == listed, query
    assert len(held) == 2


def test_bad_questions_are_refused_by_name(admin: FlaskClient) -> None:
    for query, field in (("format=xls", "format"), ("status=lost", "status"), ("cursor=x", "cursor"), ("q=%00", "q")):
        answer = admin.get(f"/api/tickets/export?{query}")
        assert answer.status_code == 400
        assert answer.json["errors"][0]["field"].startswith(field)
