"""Webhooks over HTTP: what may be asked, and what is never told."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from service.domain.errors import Conflict, InvalidInput
from service.domain.model import Cause
from service.domain.webhooks import DeliveryState
from service.usecases.ports.webhooks import WebhookChanges, WebhookDraft
from tests.unit.api.fakes import FakeServices

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_the_secret_is_told_when_it_is_made_and_never_again(admin: FlaskClient) -> None:
    assert admin.post("/api/webhooks", json={"url": "https://x.example/"}).json["secret"] == "whsec_x"
    assert admin.post("/api/webhooks/3/secret").json["secret"] == "whsec_y"
    for path in ("/api/webhooks", "/api/webhooks/3"):
        assert "secret" not in admin.get(path).text
    assert "secret" not in admin.patch("/api/webhooks/3", json={"is_active": True}).text


def test_all_that_a_webhook_may_be_is_handed_on(admin: FlaskClient, services: FakeServices) -> None:
    body = {"url": "https://x.example/", "description": "Wall", "causes": ["sell", "note"], "is_active": False}
    answer = admin.post("/api/webhooks", json={**body, "secret": SECRET})
    assert answer.headers["Location"] == "/api/webhooks/3"
    draft = WebhookDraft(
        url="https://x.example/", description="Wall", causes=(Cause.SELL, Cause.NOTE), is_active=False, secret=SECRET
    )
    assert services.webhooks.last == ("create", (draft,), {"actor_id": 1})
    assert SECRET not in repr(draft)


def test_only_what_was_named_is_changed(admin: FlaskClient, services: FakeServices) -> None:
    admin.patch("/api/webhooks/3", json={"causes": []})
    assert services.webhooks.last == ("update", (3, WebhookChanges(causes=())), {})
    admin.patch("/api/webhooks/3", json={"is_active": True, "url": "https://y.example/"})
    assert services.webhooks.last[1] == (3, WebhookChanges(url="https://y.example/", is_active=True))


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "", {}, "url"),
        ("POST", "", {"url": 5}, "url"),
        ("POST", "", {"url": ""}, "url"),
        ("POST", "", {"url": "https://x.example/" + "x" * 2000}, "url"),
        ("POST", "", {"url": "https://x.example/", "causes": ["theft"]}, "causes.0"),
        ("POST", "", {"url": "https://x.example/", "causes": "sell"}, "causes"),
        ("POST", "", {"url": "https://x.example/", "is_active": "yes"}, "is_active"),
        ("POST", "", {"url": "https://x.example/", "lease": 3}, "lease"),
        ("PATCH", "/3", {"url": None}, "url"),
        ("PATCH", "/3", {"secret": SECRET}, "secret"),
        ("POST", "/3/secret", {"secret": 1}, "secret"),
        ("GET", "/3/deliveries?state=lost", None, "state.0"),
    ],
)
def test_what_will_not_do_is_named(admin: FlaskClient, method: str, path: str, body: Any, field: str) -> None:
    answer = admin.open(f"/api/webhooks{path}", method=method, json=body)
    assert answer.status_code == 400
    assert answer.json["errors"][0]["field"] == field
    assert SECRET not in answer.text


def test_a_refused_url_is_bad_input(admin: FlaskClient, services: FakeServices) -> None:
    services.webhooks.results["create"] = InvalidInput(("url", "leads to 127.0.0.1"))
    answer = admin.post("/api/webhooks", json={"url": "http://127.0.0.1/"})
    assert (answer.status_code, answer.json["errors"]) == (400, [{"field": "url", "message": "leads to 127.0.0.1"}])


def test_deliveries_are_listed_newest_first_by_state(admin: FlaskClient, services: FakeServices) -> None:
    listed = admin.get("/api/webhooks/3/deliveries?state=failed,pending").json["items"][0]
    assert (listed["message_id"], listed["events"]) == ("00000000-0000-0000-0000-000000000007", 1)
    name, args, _ = services.webhooks.last
    assert (name, args[:2]) == ("deliveries", (3, (DeliveryState.FAILED, DeliveryState.PENDING)))
    assert args[2].sort == "-id"


def test_a_delivery_shows_what_it_says(admin: FlaskClient) -> None:
    told = admin.get("/api/webhooks/3/deliveries/11").json["payload"]
    assert told["type"] == "ticket.events"
    assert told["data"]["events"][0] == {
        "id": 1, "ticket_id": 7, "cause": "create", "actor_id": 1, "from_status": None, "to_status": "open",
        "agent_id": None, "from_agent_id": None, "priority": None, "epoch": 0, "at": "2026-01-31T09:00:00Z",
    }  # fmt: skip


@pytest.mark.parametrize(("path", "what"), [("/ping", "ping"), ("/deliveries/11/redeliver", "redeliver")])
def test_what_is_sent_on_request_is_accepted_or_refused(
    admin: FlaskClient, services: FakeServices, path: str, what: str
) -> None:
    answer = admin.post(f"/api/webhooks/3{path}")
    assert (answer.status_code, answer.headers["Location"]) == (202, "/api/webhooks/3/deliveries/11")
    services.webhooks.results[what] = Conflict("Webhook 3 is not active; set is_active to true first")
    assert admin.post(f"/api/webhooks/3{path}").status_code == 409
