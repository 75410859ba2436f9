from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from service.api.access import access_of
from service.api.app import create_app
from service.api.openapi import document
from service.domain.model import Role
from service.domain.webhooks import DeliveryKind, payload
from service.webhook_http import write_json
from tests.unit.api.fakes import DELIVERY, EVENT, PASSWORD, FakeServices

PING = replace(DELIVERY, kind=DeliveryKind.PING, event_ids=())
APP = create_app(FakeServices())
SPEC: dict[str, Any] = document(APP)
OPERATIONS = sorted(
    (method, re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule), rule.endpoint)
    for rule in APP.url_map.iter_rules()
    for method in (rule.methods or set()) - {"HEAD"}
    if rule.endpoint.partition(".")[0] != "documents"
)


def operation(method: str, path: str) -> dict[str, Any]:
    found: dict[str, Any] = SPEC["paths"][path][method.lower()]
    return found


def test_the_document_is_valid_openapi_3_1(client: FlaskClient) -> None:
    answer = client.get("/openapi.json")
    assert answer.content_type == "application/json"
    assert answer.json["openapi"].startswith("3.1")
    validate(answer.json)


def test_every_route_is_described_and_nothing_else() -> None:
    described = {(method.upper(), path) for path, item in SPEC["paths"].items() for method in item}
    assert described == {(method, path) for method, path, _ in OPERATIONS}


def test_operations_have_names_of_their_own() -> None:
    names = [operation(method, path)["operationId"] for method, path, _ in OPERATIONS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("method", "path", "endpoint"), OPERATIONS)
def test_every_operation_says_who_may_call_it_and_how_it_may_fail(method: str, path: str, endpoint: str) -> None:
    described = operation(method, path)
    answers = set(described["responses"])
    access = access_of(APP, endpoint)
    assert access is not None
    assert ("security" in described) == (not access.is_anonymous)
    assert "500" in answers
    if not access.is_anonymous:
        assert {"401", "403", "503"} <= answers
    if "requestBody" in described:
        assert {"400", "413", "415"} <= answers
    if "{" in path:
        assert answers & {"404", "200"}
    assert described["summary"].endswith(".")


@pytest.mark.parametrize(("method", "path", "endpoint"), OPERATIONS)
def test_every_documented_error_is_a_problem_with_examples(method: str, path: str, endpoint: str) -> None:
    for status, answer in operation(method, path)["responses"].items():
        if int(status) < 400 or path == "/readyz":
            continue
        content = answer["content"]["application/problem+json"]
        assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
        for code, example in content["examples"].items():
            assert example == {"$ref": f"#/components/examples/{code}"}
            assert SPEC["components"]["examples"][code]["value"]["status"] == int(status)


def test_what_webhooks_are_sent_is_described_as_it_is_sent() -> None:
    for name, told in (("ticket.events", payload(DELIVERY, (EVENT,))), ("ping", payload(PING, ()))):
        body = SPEC["webhooks"][name]["post"]["requestBody"]["content"]["application/json"]["schema"]
        strict = {**body, "components": SPEC["components"]}
        sent = json.loads(write_json(told))
        Draft202012Validator(strict, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(sent)
        assert set(sent["data"]) == set(resolved(resolved(body)["properties"]["data"])["properties"])
    [event] = json.loads(write_json(payload(DELIVERY, (EVENT,))))["data"]["events"]
    assert set(event) == set(SPEC["components"]["schemas"]["WebhookEvent"]["properties"])


def test_the_routes_guarded_by_etags_say_so() -> None:
    guarded = {
        (method, path)
        for method, path, _ in OPERATIONS
        if any(parameter["name"] == "If-Match" for parameter in operation(method, path).get("parameters", ()))
    }
    assert guarded == {(method, "/api/tickets/{ticket_id}") for method in ("PUT", "PATCH", "DELETE")} | {
        ("POST", f"/api/tickets/{{ticket_id}}/{act}")
        for act in ("start", "resolve", "close", "release", "sell", "assign", "return", "reopen")
    }
    for route in guarded:
        answers = operation(*route)["responses"]
        assert "412" in answers
        assert "malformed_precondition" in answers["400"]["content"]["application/problem+json"]["examples"]


def test_example_bodies_fit_their_schemas() -> None:
    examples = 0
    for name, schema in SPEC["components"]["schemas"].items():
        if "example" in schema:
            Draft202012Validator({**schema, "components": SPEC["components"]}).validate(schema["example"])
            assert name.endswith(("Input", "Patch", "Replacement"))
            examples += 1
    assert examples >= 10


def test_every_required_body_has_an_example() -> None:
    for method, path, _ in OPERATIONS:
        body = operation(method, path).get("requestBody", {})
        if body.get("required"):
            name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
            assert "example" in SPEC["components"]["schemas"][name], name


CALLS: list[tuple[Role, str, str, Any]] = [
    (Role.ADMIN, "GET", "/api/me", None),
    (Role.ADMIN, "GET", "/api/users", None),
    (Role.ADMIN, "GET", "/api/users/{user_id}", None),
    (Role.ADMIN, "POST", "/api/users", {"username": "ann", "password": "x", "role": "agent"}),
    (Role.ADMIN, "PUT", "/api/users/{user_id}", {"username": "ann", "role": "agent"}),
    (Role.ADMIN, "PATCH", "/api/users/{user_id}", {"email": None}),
    (Role.ADMIN, "GET", "/api/agents", None),
    (Role.ADMIN, "GET", "/api/agents/{agent_id}", None),
    (Role.ADMIN, "POST", "/api/agents", {"username": "ann", "password": "x"}),
    (Role.ADMIN, "PUT", "/api/agents/{agent_id}", {"username": "ann"}),
    (Role.ADMIN, "PATCH", "/api/agents/{agent_id}", {"capacity": 3}),
    (Role.ADMIN, "POST", "/api/agents/{agent_id}/availability", {"availability": "away"}),
    (Role.ADMIN, "POST", "/api/agents/{agent_id}/return-tickets", None),
    (Role.ADMIN, "GET", "/api/customers", None),
    (Role.ADMIN, "GET", "/api/customers/{customer_id}", None),
    (Role.ADMIN, "POST", "/api/customers", {"name": "Ada", "email": "a@b.example"}),
    (Role.ADMIN, "PUT", "/api/customers/{customer_id}", {"name": "Ada", "email": "a@b.example"}),
    (Role.ADMIN, "PATCH", "/api/customers/{customer_id}", {"name": "Ada"}),
    (Role.ADMIN, "POST", "/api/customers/{customer_id}/erase", {"dry_run": True}),
    (Role.ADMIN, "GET", "/api/tickets", None),
    (Role.ADMIN, "GET", "/api/tickets/{ticket_id}", None),
    (Role.ADMIN, "POST", "/api/tickets", {"title": "x"}),
    (Role.ADMIN, "PUT", "/api/tickets/{ticket_id}", {"subject": "x"}),
    (Role.ADMIN, "PATCH", "/api/tickets/{ticket_id}", {"priority": "low"}),
    (Role.ADMIN, "GET", "/api/tickets/{ticket_id}/history", None),
    (Role.ADMIN, "GET", "/api/tickets/{ticket_id}/notes", None),
    (Role.ADMIN, "GET", "/api/tickets/{ticket_id}/explain", None),
    (Role.ADMIN, "GET", "/api/tickets/{ticket_id}/service-levels", None),
    (Role.ADMIN, "GET", "/api/agents/{agent_id}/history", None),
    (Role.AGENT, "POST", "/api/tickets/{ticket_id}/notes", {"note": "called back"}),
    (Role.ADMIN, "POST", "/api/tickets/{ticket_id}/assign", {"agent_id": 2}),
    (Role.ADMIN, "POST", "/api/tickets/{ticket_id}/return", None),
    (Role.ADMIN, "POST", "/api/tickets/{ticket_id}/reopen", {"reason": "again"}),
    (Role.AGENT, "POST", "/api/tickets/fetch", {"limit": 5}),
    (Role.AGENT, "GET", "/api/tickets/held", None),
    (Role.AGENT, "POST", "/api/tickets/{ticket_id}/start", None),
    (Role.AGENT, "POST", "/api/tickets/{ticket_id}/resolve", None),
    (Role.AGENT, "POST", "/api/tickets/{ticket_id}/close", None),
    (Role.AGENT, "POST", "/api/tickets/{ticket_id}/release", {"reason": "lunch"}),
    (Role.AGENT, "POST", "/api/tickets/{ticket_id}/sell", {"customer": {"name": "Ada", "email": "a@b.example"}}),
    (
        Role.AGENT,
        "POST",
        "/api/tickets/sell",
        {"sales": [{"ticket_id": 7, "customer": {"name": "Ada", "email": "a@b.example"}}]},
    ),
    (Role.ADMIN, "POST", "/api/agents/{agent_id}/reassign-tickets", {"to_agent_id": 8}),
    (Role.ADMIN, "POST", "/api/tickets/assign", {"assignments": [{"ticket_id": 7, "agent_id": 2}]}),
    (Role.ADMIN, "POST", "/api/tickets/priority", {"ticket_ids": [7], "priority": "low"}),
    (Role.ADMIN, "POST", "/api/tickets/import?format=csv", {"title": "x"}),
    (Role.ADMIN, "GET", "/api/imports", None),
    (Role.ADMIN, "GET", "/api/imports/{import_id}", None),
    (Role.ADMIN, "GET", "/api/mails", None),
    (Role.ADMIN, "GET", "/api/mails/{mail_id}", None),
    (Role.ADMIN, "POST", "/api/mails/{mail_id}/redeliver", None),
    (Role.OPERATOR, "GET", "/api/me/notifications", None),
    (Role.AGENT, "PUT", "/api/me/notifications", {"fetched": False}),
    (Role.ADMIN, "GET", "/api/users/{user_id}/notifications", None),
    (Role.ADMIN, "PUT", "/api/users/{user_id}/notifications", {}),
    (Role.ADMIN, "GET", "/api/webhooks", None),
    (Role.ADMIN, "POST", "/api/webhooks", {"url": "https://hooks.example/x", "causes": ["sell"]}),
    (Role.ADMIN, "GET", "/api/webhooks/{webhook_id}", None),
    (Role.ADMIN, "PATCH", "/api/webhooks/{webhook_id}", {"is_active": False}),
    (Role.ADMIN, "POST", "/api/webhooks/{webhook_id}/secret", None),
    (Role.ADMIN, "POST", "/api/webhooks/{webhook_id}/ping", None),
    (Role.ADMIN, "GET", "/api/webhooks/{webhook_id}/deliveries", None),
    (Role.ADMIN, "GET", "/api/webhooks/{webhook_id}/deliveries/{delivery_id}", None),
    (Role.ADMIN, "POST", "/api/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver", None),
    (Role.OPERATOR, "GET", "/api/ops/queue", None),
    (Role.OPERATOR, "GET", "/api/ops/dispatch", None),
    (Role.OPERATOR, "GET", "/api/ops/invariants", None),
    (Role.OPERATOR, "GET", "/api/ops/reconciliations", None),
    (Role.OPERATOR, "POST", "/api/ops/reconciliations", {"tier": "fast", "dry_run": True}),
    (Role.OPERATOR, "GET", "/api/ops/reconciliations/{run_id}", None),
    (Role.AGENT, "GET", "/api/tickets/fetch-tickets", None),
    (Role.AGENT, "POST", "/api/tickets/fetch_tickets", None),
    (Role.AGENT, "POST", "/api/tickets/sell_tickets", {"ticket_ids": [7, 8]}),
    (Role.AGENT, "GET", "/api/agent/fetch-tickets", None),
    (
        Role.AGENT,
        "POST",
        "/api/agent/sell-ticket/{ticket_id}",
        {"customer": {"name": "Ada", "email": "a@b.example"}},
    ),
    (Role.ADMIN, "GET", "/api/admin/tickets", None),
    (Role.ADMIN, "POST", "/api/admin/tickets", None),
    (Role.ADMIN, "GET", "/api/admin/tickets/{ticket_id}", None),
    (Role.ADMIN, "PUT", "/api/admin/tickets/{ticket_id}", None),
    (Role.ADMIN, "PATCH", "/api/admin/tickets/{ticket_id}", {"assigned_to": 2}),
    (Role.ADMIN, "GET", "/api/admin/customers", None),
    (Role.ADMIN, "POST", "/api/admin/customers", {"name": "Ada", "email": "a@b.example"}),
    (Role.ADMIN, "GET", "/api/admin/customers/{customer_id}", None),
    (Role.ADMIN, "PUT", "/api/admin/customers/{customer_id}", {"name": "Ada", "email": "a@b.example"}),
    (Role.ADMIN, "PATCH", "/api/admin/customers/{customer_id}", {"name": "Ada"}),
    (Role.ADMIN, "GET", "/api/admin/agents", None),
    (Role.ADMIN, "POST", "/api/admin/agents", {"username": "ann", "password": "x"}),
    (Role.ADMIN, "GET", "/api/admin/agents/{agent_id}", None),
    (Role.ADMIN, "PUT", "/api/admin/agents/{agent_id}", {"username": "ann"}),
    (Role.ADMIN, "PATCH", "/api/admin/agents/{agent_id}", {"is_active": True}),
    (Role.AGENT, "GET", "/api/agent/tickets", None),
    (Role.ADMIN, "POST", "/api-token-auth", {"username": "root", "password": PASSWORD}),
    (Role.ADMIN, "GET", "/api/tickets?format=list", None),
    (Role.AGENT, "GET", "/healthz", None),
    (Role.AGENT, "GET", "/readyz", None),
]


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schema
    while "$ref" in found:
        found = SPEC["components"]["schemas"][found["$ref"].rpartition("/")[2]]
    return found


def named(body: Any, schema: dict[str, Any]) -> dict[str, Any] | None:
    """Find the schema that names every member of a body, item by item for a list."""
    for choice in schema.get("anyOf") or [schema]:
        found = resolved(choice)
        if isinstance(body, list):
            if found.get("type") == "array" and all(named(item, found["items"]) for item in body):
                return found
        elif "properties" in found and set(body) <= set(found["properties"]):
            return found
    return None


@pytest.mark.parametrize(("role", "method", "path", "body"), CALLS)
def test_answers_are_what_the_document_says(sign_in: Any, role: Role, method: str, path: str, body: Any) -> None:
    answer = sign_in(role).open(re.sub(r"\{\w+\}", "7", path), method=method, json=body)
    documented = operation(method, path.partition("?")[0])["responses"][str(answer.status_code)]
    schema = documented["content"]["application/json"]["schema"]
    assert answer.status_code < 300
    assert named(answer.json, schema) is not None
    strict = {**schema, "components": SPEC["components"]}
    Draft202012Validator(strict, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(answer.json)


def test_every_answer_with_a_body_was_compared() -> None:
    bodied = {
        (method, path)
        for method, path, _ in OPERATIONS
        if any(
            "application/json" in operation(method, path)["responses"].get(status, {}).get("content", {})
            for status in ("200", "201", "202")
        )
    }
    elsewhere = {("POST", "/api/token"), ("POST", "/api/token/refresh"), ("POST", "/api/agent/tickets")}
    assert bodied - elsewhere == {(method, path.partition("?")[0]) for _, method, path, _ in CALLS}
