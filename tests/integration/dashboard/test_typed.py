"""Forms sent after the session had ended: what was typed is given back to its author, and nothing is done unasked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from service.dashboard import typed
from service.dashboard.blueprint import dashboard
from service.dashboard.cookies import ACCESS, REFRESH
from service.domain.model import Principal, Role
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.tickets import TicketFilter
from tests.integration.dashboard.visitor import PASSWORD, Visitor

Visit = Callable[..., Visitor]
NEW = "/app/tickets/new"

NOTHING_TYPED = {
    "sign_in_by_password", "sign_out", "account_password", "account_mails", "account_elsewhere",
    "desk_seen", "desk_fetch", "desk_availability", "desk_act", "agent_availability", "agent_reassign_now",
    "ticket_import_now", "customer_delete_now", "operations_run", "operations_job_requeue", "operations_job_forget",
    "user_password_now", "user_role_now", "user_deactivate_now", "user_activate", "user_delete_now",
}  # fmt: skip
"""Forms of buttons, choices, files and passwords: they are simply made again."""


def subjects(container: Any, root: int) -> list[str]:
    viewer = Principal(user_id=root, username="root", role=Role.ADMIN, session_id=root)  # type: ignore[arg-type]
    found = container.tickets.page(TicketFilter(), PageRequest(), viewer=viewer)
    return [ticket.subject for ticket in found.items]


@pytest.fixture
def late(visitor: Visit, root: int, container: Any) -> Visitor:
    """Somebody who wrote a ticket, and whose session had ended when they sent it."""
    seen = visitor("root").get(NEW)
    body = seen.filled(NEW, None, {"subject": "Typed with care", "description": "line 1\r\nline 2", "priority": "high"})
    container.sessions.revoke_all(root)
    return seen.post(NEW, body, Referer="http://localhost/app/tickets/new")


def test_every_form_either_holds_what_was_typed_or_says_that_nobody_types_in_it(app: Any) -> None:
    posts = {
        rule.endpoint.removeprefix("dashboard.")
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith(f"{dashboard.name}.") and "POST" in rule.methods
    }
    assert posts == set(typed.FORMS) | NOTHING_TYPED


def test_the_author_finds_it_again_and_sends_it(late: Visitor, container: Any, root: int) -> None:
    assert late.status == 401
    assert "was not carried out" in late.text
    late.send("/app/sign-in", username="root", password=PASSWORD)
    assert (late.status, 'value="Typed with care"' in late.text) == (200, True)
    assert "line 1" in late.text
    assert subjects(container, root) == []  # nothing is done by signing in
    late.send(NEW, subject="Typed with more care")
    assert subjects(container, root) == ["Typed with more care"]
    assert "is created" in late.text


def test_sending_it_twice_makes_one(late: Visitor, container: Any, root: int) -> None:
    late.send("/app/sign-in", username="root", password=PASSWORD)
    body = late.filled(NEW, None, {})
    late.post(NEW, body)
    late.post(NEW, body)
    assert subjects(container, root) == ["Typed with care"]


def test_a_wrong_password_in_between_loses_nothing(late: Visitor) -> None:
    late.send("/app/sign-in", username="root", password="Wrong-horse-7")
    assert "is wrong" in late.text
    assert "Typed with care" in late.send("/app/sign-in", username="root", password=PASSWORD).text


def test_somebody_else_who_signs_in_sees_none_of_it(late: Visitor, person: Callable[..., int]) -> None:
    person("eve", Role.ADMIN)
    late.send("/app/sign-in", username="eve", password=PASSWORD)
    assert late.path == "/app/tickets"
    assert "Typed with care" not in late.text


def test_leaving_it_leads_back_to_the_form(late: Visitor) -> None:
    late.send("/app/sign-in", username="root", password=PASSWORD)
    assert f'href="{NEW}">Leave it' in late.text


def test_it_is_found_again_where_the_cookies_are_gone_too(visitor: Visit, root: int) -> None:
    seen = visitor("root").get(NEW)
    body = seen.filled(NEW, None, {"subject": "Typed with care"})
    seen.client.delete_cookie(ACCESS, path="/app")
    seen.client.delete_cookie(REFRESH, path="/app")
    seen.post(NEW, body).send("/app/sign-in", username="root", password=PASSWORD)
    assert "Typed with care" in seen.text


def test_it_is_given_back_at_once_to_whoever_signed_in_anew_in_another_tab(
    visitor: Visit, root: int, container: Any
) -> None:
    seen = visitor("root").get(NEW)
    body = seen.filled(NEW, None, {"subject": "Typed with care"})
    container.sessions.revoke_all(root)
    seen.sign_in("root")
    assert (seen.post(NEW, body).status, 'value="Typed with care"' in seen.text) == (403, True)
    seen.send(NEW)
    assert subjects(container, root) == ["Typed with care"]


def test_htmx_shows_the_sign_in_in_the_place_of_the_form(visitor: Visit, root: int, container: Any) -> None:
    seen = visitor("root").get(NEW)
    body = seen.filled(NEW, None, {"subject": "Typed with care"})
    container.sessions.revoke_all(root)
    seen.post(NEW, body, **{"HX-Request": "true", "HX-Current-URL": "http://localhost/app/tickets/new?x=1"})
    assert (seen.status, "HX-Redirect" in seen.answer.headers) == (401, False)
    seen.send("/app/sign-in", username="root", password=PASSWORD)
    assert 'href="/app/tickets/new?x=1">Leave it' in seen.text


def test_passwords_are_never_carried(visitor: Visit, root: int, container: Any) -> None:
    seen = visitor("root").get("/app/users/new")
    secret = "Secret-horse-9"
    fields = {"username": "kim", "password": secret, "repeated": secret, "role": "admin"}
    body = seen.filled("/app/users/new", None, fields)
    container.sessions.revoke_all(root)
    seen.post("/app/users/new", body).send("/app/sign-in", username="root", password=PASSWORD)
    assert ('value="kim"' in seen.text, secret in seen.text) == (True, False)
    assert 'value="kim"' in seen.send("/app/users/new").text  # asked for the password, the rest still filled in


@pytest.mark.parametrize(
    ("change", "headers"),
    [
        ({"csrf": "forged"}, {}),
        ({"csrf": "a.1.b"}, {}),
        ({"csrf": "..é"}, {}),
        ({}, {"Sec-Fetch-Site": "cross-site"}),
    ],
)
def test_what_another_site_made_up_is_not_carried(
    visitor: Visit, root: int, container: Any, change: dict[str, str], headers: dict[str, str]
) -> None:
    seen = visitor("root").get(NEW)
    body = seen.filled(NEW, None, {"subject": "Send me", **change})
    container.sessions.revoke_all(root)
    seen.post(NEW, body, **headers).send("/app/sign-in", username="root", password=PASSWORD)
    assert "Send me" not in seen.text


def test_what_is_carried_cannot_be_made_up(visitor: Visit, root: int) -> None:
    seen = visitor().get("/app/sign-in")
    seen.send("/app/sign-in", username="root", password=PASSWORD, typed="e30.forged")
    assert seen.path == "/app/tickets"


def test_nobody_is_led_elsewhere(visitor: Visit, root: int, container: Any) -> None:
    seen = visitor("root").get(NEW)
    body = seen.filled(NEW, None, {"subject": "Typed with care"})
    container.sessions.revoke_all(root)
    seen.post(NEW, body, Referer="https://evil.example//evil.example/")
    seen.send("/app/sign-in", username="root", password=PASSWORD)
    assert "evil.example" not in seen.text
