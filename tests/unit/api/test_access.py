from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from service.api.access import Access, access_of
from service.api.app import create_app
from service.domain.errors import StoreUnavailable
from service.domain.model import Role
from tests.unit.api.fakes import FakeServices

APP = create_app(FakeServices())
ROUTES = sorted(
    (method, rule.rule, rule.endpoint)
    for rule in APP.url_map.iter_rules()
    for method in (rule.methods or set()) - {"HEAD"}
)

ANONYMOUS = {
    ("GET", "/"),
    ("GET", "/docs"),
    ("GET", "/docs/<asset>"),
    ("GET", "/openapi.json"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("POST", "/api/token"),
    ("POST", "/api/token/refresh"),
    ("POST", "/api/token/revoke"),
    ("POST", "/api-token-auth"),
}
"""Everything that may be called without signing in. Whoever adds to this list should know why."""

ADMIN, AGENT, OPERATOR = {Role.ADMIN}, {Role.AGENT}, {Role.OPERATOR}
EVERYBODY = ADMIN | AGENT | OPERATOR
TICKET = "/api/tickets/<id:ticket_id>"
HOOKS = "/api/webhooks"
HOOK = f"{HOOKS}/<id:webhook_id>"

EXPECTED: dict[tuple[str, str], set[Role]] = {
    ("GET", "/api/me"): EVERYBODY,
    ("POST", "/api/me/password"): EVERYBODY,
    ("GET", "/api/tickets"): EVERYBODY,
    ("POST", "/api/tickets"): ADMIN,
    ("GET", TICKET): EVERYBODY,
    ("PUT", TICKET): ADMIN | AGENT,
    ("PATCH", TICKET): ADMIN | AGENT,
    ("DELETE", TICKET): ADMIN,
    ("GET", f"{TICKET}/history"): EVERYBODY,
    ("GET", "/api/tickets/export"): ADMIN,
    ("POST", "/api/tickets/import"): ADMIN,
    ("GET", "/api/imports"): ADMIN,
    ("GET", "/api/imports/<id:import_id>"): ADMIN,
    ("GET", f"{TICKET}/notes"): EVERYBODY,
    ("POST", f"{TICKET}/notes"): ADMIN | AGENT,
    ("GET", f"{TICKET}/explain"): EVERYBODY,
    ("GET", f"{TICKET}/service-levels"): EVERYBODY,
    ("GET", "/api/tickets/held"): AGENT,
    **{("POST", f"/api/tickets/{act}"): AGENT for act in ("fetch", "sell")},
    **{("POST", f"{TICKET}/{act}"): AGENT for act in ("start", "resolve", "close", "release", "sell")},
    **{("POST", f"{TICKET}/{act}"): ADMIN for act in ("assign", "return", "reopen")},
    **{
        (method, f"/api/{many}"): ADMIN
        for many, method in itertools.product(("users", "agents", "customers"), ("GET", "POST"))
    },
    **{
        (method, f"/api/{many}s/<id:{many}_id>"): ADMIN
        for many, method in itertools.product(("user", "agent", "customer"), ("GET", "PUT", "PATCH", "DELETE"))
    },
    ("POST", "/api/customers/<id:customer_id>/erase"): ADMIN,
    ("GET", "/api/agents/<id:agent_id>/history"): ADMIN,
    ("GET", "/api/users"): ADMIN | AGENT,
    ("GET", "/api/agents"): ADMIN | AGENT,
    **{
        (method, f"/api/admin/{many}s"): ADMIN
        for many, method in itertools.product(("ticket", "agent", "customer"), ("GET", "POST"))
    },
    **{
        (method, f"/api/admin/{many}s/<id:{many}_id>"): ADMIN
        for many, method in itertools.product(("ticket", "agent", "customer"), ("GET", "PUT", "PATCH", "DELETE"))
    },
    ("GET", "/api/tickets/fetch-tickets"): AGENT,
    ("POST", "/api/tickets/fetch_tickets"): AGENT,
    ("POST", "/api/tickets/sell_tickets"): AGENT,
    ("GET", "/api/agent/fetch-tickets"): AGENT,
    ("POST", "/api/agent/sell-ticket/<id:ticket_id>"): AGENT,
    ("GET", "/api/agent/tickets"): AGENT,
    ("POST", "/api/agent/tickets"): AGENT,
    ("POST", "/api/agents/<id:agent_id>/availability"): ADMIN,
    ("POST", "/api/agents/<id:agent_id>/return-tickets"): ADMIN,
    ("POST", "/api/agents/<id:agent_id>/reassign-tickets"): ADMIN,
    **{("POST", f"/api/tickets/{act}"): ADMIN for act in ("assign", "priority")},
    ("GET", HOOKS): ADMIN,
    ("POST", HOOKS): ADMIN,
    **{(method, HOOK): ADMIN for method in ("GET", "PATCH", "DELETE")},
    **{("POST", f"{HOOK}/{act}"): ADMIN for act in ("secret", "ping")},
    ("GET", f"{HOOK}/deliveries"): ADMIN,
    ("GET", f"{HOOK}/deliveries/<id:delivery_id>"): ADMIN,
    ("POST", f"{HOOK}/deliveries/<id:delivery_id>/redeliver"): ADMIN,
    ("GET", "/api/mails"): ADMIN,
    ("GET", "/api/mails/<id:mail_id>"): ADMIN,
    ("POST", "/api/mails/<id:mail_id>/redeliver"): ADMIN,
    **{(method, "/api/me/notifications"): EVERYBODY for method in ("GET", "PUT")},
    **{(method, "/api/users/<id:user_id>/notifications"): ADMIN for method in ("GET", "PUT")},
    **{
        ("GET", f"/api/ops/{what}"): OPERATOR | ADMIN for what in ("queue", "dispatch", "invariants", "reconciliations")
    },
    ("POST", "/api/ops/reconciliations"): OPERATOR | ADMIN,
    ("GET", "/api/ops/reconciliations/<id:run_id>"): OPERATOR | ADMIN,
}
"""Who may call what, written down a second time: a role changed by accident shows here."""

AGENT_PATH = "/api/agents/<id:agent_id>"
OWN = {
    **{(method, AGENT_PATH): "agent_id" for method in ("GET", "PUT", "PATCH", "DELETE")},
    **{(method, "/api/users/<id:user_id>"): "user_id" for method in ("GET", "PUT", "PATCH", "DELETE")},
    **{(method, "/api/users/<id:user_id>/notifications"): "user_id" for method in ("GET", "PUT")},
    ("GET", f"{AGENT_PATH}/history"): "agent_id",
    ("POST", f"{AGENT_PATH}/availability"): "agent_id",
    ("POST", f"{AGENT_PATH}/return-tickets"): "agent_id",
}
"""What agents, besides, may call for themselves: the path parameter that must be their own id."""

OWN_TICKET = {("PUT", TICKET), ("PATCH", TICKET)}
"""What agents may call about a ticket they have: the ticket in these tests is nobody's."""

BODIES = {("PUT", TICKET): {"subject": "x"}}
"""Without these, 400 would come before the question whose ticket it is."""


def path_of(rule: str) -> str:
    """Fill a rule's ids in, with one that is nobody's own."""
    return re.sub(r"<[^>]*id:[^>]+>", "99", rule).replace("<asset>", "swagger.svg")


@pytest.mark.parametrize(("method", "rule", "endpoint"), ROUTES)
def test_every_route_declares_who_may_call_it(method: str, rule: str, endpoint: str) -> None:
    access = access_of(APP, endpoint)
    assert isinstance(access, Access)
    assert access.is_anonymous == ((method, rule) in ANONYMOUS)
    if not access.is_anonymous:
        assert set(access.roles) == EXPECTED[method, rule]
        assert access.own == OWN.get((method, rule))


def test_every_expected_route_is_there() -> None:
    assert {(method, rule) for method, rule, _ in ROUTES} == ANONYMOUS | EXPECTED.keys()


@pytest.mark.parametrize("route", sorted(EXPECTED))
def test_without_a_token_every_route_answers_401(client: FlaskClient, route: tuple[str, str]) -> None:
    answer = client.open(path_of(route[1]), method=route[0])
    assert answer.status_code == 401
    assert answer.json["code"] == "not_signed_in"
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="fairdeal"'


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("route", sorted(EXPECTED))
def test_a_route_answers_403_to_the_wrong_roles_alone(
    sign_in: Any, role: Role, route: tuple[str, str], slash: str
) -> None:
    answer = sign_in(role).open(path_of(route[1]) + slash, method=route[0], json=BODIES.get(route))
    if role is Role.AGENT and route in OWN_TICKET:
        assert answer.status_code == 403
    elif role in EXPECTED[route]:
        # Bodies are missing here, so 400 (or 415, for a file) is an answer of the route itself.
        assert answer.status_code in {200, 201, 202, 204, 400, 415}
    else:
        assert answer.status_code == 403
        assert answer.json["code"] == "forbidden"
        assert set(answer.json["needs"]) == {role.value for role in EXPECTED[route]}
        assert answer.json["role"] == role.value


@pytest.mark.parametrize(
    ("method", "act", "body"),
    [
        ("GET", "", None),
        ("GET", "/history", None),
        ("POST", "/availability", {"availability": "away"}),
        ("POST", "/return-tickets", {"reason": "lunch"}),
    ],
)
def test_agents_may_look_at_switch_and_empty_themselves(agent: FlaskClient, method: str, act: str, body: Any) -> None:
    assert agent.open(f"/api/agents/2{act}", method=method, json=body).status_code == 200
    assert agent.open(f"/api/agents/3{act}", method=method, json=body).status_code == 403


def test_a_route_that_declares_nothing_lets_nobody_in(services: FakeServices) -> None:
    app = create_app(services)
    app.add_url_rule("/api/forgotten", "forgotten", lambda: "secret")
    answer = app.test_client().get("/api/forgotten")
    assert answer.status_code == 403
    assert b"secret" not in answer.data


def test_refusal_comes_before_validation(client: FlaskClient, agent: FlaskClient) -> None:
    assert client.post("/api/tickets", data=b"{").status_code == 401
    assert agent.post("/api/tickets", data=b"{").status_code == 403


def test_roles_are_read_afresh_on_every_request(admin: FlaskClient, services: FakeServices) -> None:
    assert admin.get("/api/customers").status_code == 200
    sessions = services.sessions.open
    for session_id, (_, jti) in sessions.items():
        sessions[session_id] = (services.sessions.users[Role.AGENT], jti)
    assert admin.get("/api/customers").status_code == 403


def test_signing_in_needs_the_database(admin: FlaskClient, services: FakeServices) -> None:
    services.sessions.failure = StoreUnavailable("PostgreSQL did not answer")
    answer = admin.get("/api/users")
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1
