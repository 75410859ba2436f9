"""Who may see what on the page, and what every answer of it carries."""

from __future__ import annotations

import re
from typing import Any

import pytest

from service.api.access import Access, access_of
from service.api.app import create_app
from service.dashboard import pages
from service.dashboard.blueprint import dashboard
from service.dashboard.cookies import session_of_cookies
from service.domain.model import Role
from tests.unit.api.fakes import FakeServices

ADMIN, AGENT, OPERATOR = {Role.ADMIN}, {Role.AGENT}, {Role.OPERATOR}
EVERYBODY = ADMIN | AGENT | OPERATOR

ANONYMOUS = {
    ("GET", "/app/sign-in"),
    ("POST", "/app/sign-in"),
    ("GET", "/app/assets/<path:name>"),
    ("GET", "/app/<path:rest>"),
}
"""What needs no sign-in. Whoever adds to this list should know why."""

TICKET, PERSON, BUYER = "tickets/<id:ticket_id>", "users/<id:user_id>", "customers/<id:customer_id>"
ADMIN_LOOKS = (
    "tickets", "tickets/act-all/progress", "tickets/news", "tickets/export", "tickets/imports/<id:import_id>",
    "agents", "agents/news", "agents/<id:agent_id>", "users", PERSON, "customers", BUYER,
)  # fmt: skip
ADMIN_ACTS = ("agents/<id:agent_id>/availability", f"{PERSON}/activate")
ADMIN_FORMS = (
    TICKET, "tickets/new", f"{TICKET}/edit", "tickets/act", "tickets/act-all", "tickets/import",
    "agents/new", *(f"agents/<id:agent_id>/{act}" for act in ("edit", "return", "reassign")),
    "users/new", *(f"{PERSON}/{act}" for act in ("edit", "password", "role", "deactivate", "delete")),
    "customers/new", f"{BUYER}/edit", f"{BUYER}/delete",
)  # fmt: skip

EXPECTED: dict[tuple[str, str], set[Role]] = {
    ("GET", "/app/"): EVERYBODY,
    ("POST", "/app/sign-out"): EVERYBODY,
    ("GET", "/app/account"): EVERYBODY,
    ("POST", "/app/account"): EVERYBODY,
    ("POST", "/app/account/mails"): AGENT,
    ("POST", "/app/account/elsewhere"): EVERYBODY,
    ("GET", "/app/desk"): AGENT,
    **{("POST", f"/app/desk/{act}"): AGENT for act in ("fetch", "availability", "seen", "act")},
    **{(method, f"/app/desk/{form}"): AGENT for form in ("release", "sell") for method in ("GET", "POST")},
    **{(method, "/app/desk/tickets/<id:ticket_id>"): AGENT for method in ("GET", "POST")},
    ("GET", "/app/operations"): OPERATOR | ADMIN,
    ("GET", "/app/operations/figures/<name>"): OPERATOR | ADMIN,
    ("GET", "/app/operations/reconciliations"): OPERATOR | ADMIN,
    ("GET", "/app/operations/reconciliations/new"): OPERATOR | ADMIN,
    ("POST", "/app/operations/reconciliations"): OPERATOR | ADMIN,
    ("GET", "/app/operations/jobs"): OPERATOR | ADMIN,
    ("POST", "/app/operations/jobs/<job_id>/requeue"): OPERATOR | ADMIN,
    ("GET", "/app/operations/jobs/<job_id>/forget"): OPERATOR | ADMIN,
    ("POST", "/app/operations/jobs/<job_id>/forget"): OPERATOR | ADMIN,
    **{(method, f"/app/{page}"): ADMIN for page in ADMIN_FORMS for method in ("GET", "POST")},
    **{("GET", f"/app/{page}"): ADMIN for page in ADMIN_LOOKS},
    **{("POST", f"/app/{page}"): ADMIN for page in ADMIN_ACTS},
}
"""Who may see what, written down a second time."""


def new_app() -> Any:
    app = create_app(FakeServices())  # type: ignore[arg-type]
    pages.install(app)
    return app


APP = new_app()
ROUTES = sorted(
    (method, rule.rule, rule.endpoint)
    for rule in APP.url_map.iter_rules()
    if rule.endpoint.startswith("dashboard.")
    for method in (rule.methods or set()) - {"HEAD"}
)


@pytest.mark.parametrize(("method", "rule", "endpoint"), ROUTES)
def test_every_view_declares_who_may_see_it_and_reads_cookies(method: str, rule: str, endpoint: str) -> None:
    access = access_of(APP, endpoint)
    assert isinstance(access, Access)
    assert access.is_anonymous == ((method, rule) in ANONYMOUS)
    if not access.is_anonymous:
        assert set(access.roles) == EXPECTED[method, rule]
        assert access.session is session_of_cookies


def test_every_expected_view_is_there() -> None:
    assert {(method, rule) for method, rule, _ in ROUTES} == ANONYMOUS | EXPECTED.keys()


def test_no_route_of_the_api_reads_cookies() -> None:
    others = [rule.endpoint for rule in APP.url_map.iter_rules() if not rule.endpoint.startswith("dashboard.")]
    assert [endpoint for endpoint in others if access_of(APP, endpoint).session is session_of_cookies] == []  # type: ignore[union-attr]


@pytest.mark.parametrize("route", sorted(EXPECTED))
def test_without_a_sign_in_every_view_leads_to_it(route: tuple[str, str]) -> None:
    path = re.sub(r"<[^>]*id:[^>]+>", "99", route[1])
    answer = new_app().test_client().open(path, method=route[0])
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/app/sign-in")


def test_the_blueprint_can_be_put_on_several_apps() -> None:
    assert dashboard.name in new_app().blueprints
    assert dashboard.name in new_app().blueprints
