"""What keeps the admins' pages to admins, and texts from being more than texts."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from service.api.access import access_of
from service.domain.model import Role
from service.usecases.ports.people import CustomerDraft, UserChanges
from tests.integration.dashboard.visitor import PASSWORD, Visitor

Visit = Callable[..., Visitor]
EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{7*7}}"


def admin_routes(app: Any) -> list[tuple[str, str]]:
    """List the methods and paths of the page that are for admins alone."""
    return sorted(
        (method, re.sub(r"<[^>]*id:[^>]+>", "1", rule.rule))
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("dashboard.")
        for access in [access_of(app, rule.endpoint)]
        if access is not None and tuple(access.roles) == (Role.ADMIN,)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    )


@pytest.mark.parametrize("role", [Role.AGENT, Role.OPERATOR])
def test_nobody_but_admins_sees_an_admins_page(visitor: Visit, app: Any, root: int, person: Any, role: Role) -> None:
    person("zoe", role)
    seen = visitor("zoe")
    token = dict(seen.get("/app/account").form("/app/account").fields)["csrf"]
    routes = admin_routes(app)
    assert len(routes) > 40
    for method, path in routes:
        answer = seen.client.open(path, method=method, data={"csrf": token} if method == "POST" else None)
        assert (method, path, answer.status_code) == (method, path, 403)
        assert "Only admin may do this" in answer.get_data(as_text=True)


def test_no_admins_form_is_taken_without_our_token(visitor: Visit, app: Any, root: int) -> None:
    client = visitor("root").client
    for method, path in admin_routes(app):
        if method == "POST":
            assert (path, client.post(path, data={"csrf": "0" * 64}).status_code) == (path, 403)


def test_every_admins_page_carries_the_policy_and_nothing_inline(
    visitor: Visit, app: Any, root: int, ann: int, tickets: Any, container: Any
) -> None:
    (ticket,) = tickets(1)
    container.customers.create(CustomerDraft(name="Kim", email="kim@example.com"))
    seen = visitor("root")
    looked = 0
    for method, path in admin_routes(app):
        if method != "GET" or "export" in path:
            continue
        seen.get(path + (f"?act=delete&ticket={ticket.id}" if path.endswith("/act") else ""))
        assert seen.answer.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
        assert seen.answer.headers["Cache-Control"] == "no-store"
        assert 'style="' not in seen.text
        assert "<script>" not in seen.text
        assert not re.search(r"\son\w+=", seen.text)
        looked += seen.status == 200
    assert looked > 15


def test_texts_are_shown_as_texts(visitor: Visit, root: int, ann: int, tickets: Any, container: Any) -> None:
    (ticket,) = tickets(1, subject=EVIL, description=EVIL)
    customer = container.customers.create(CustomerDraft(name=EVIL, email="kim@example.com"))
    container.users.update(ann, UserChanges(first_name=EVIL, last_name=EVIL, phone=EVIL[:60]), actor_id=None)
    container.lifecycle.assign(ticket.id, agent_id=ann, actor_id=root)
    seen = visitor("root")
    pages = []
    for path, fields in (
        ("/app/tickets", None),
        (f"/app/tickets/{ticket.id}", {"note": EVIL}),
        (f"/app/tickets/{ticket.id}/edit", None),
        (f"/app/tickets/{ticket.id}/edit", {"subject": EVIL + "\n", "description": EVIL}),
        ("/app/tickets/new", {"subject": EVIL + "\x01", "description": EVIL, "priority": EVIL}),
        (f"/app/tickets/act?act=delete&ticket={ticket.id}", None),
        ("/app/agents", None),
        (f"/app/agents/{ann}", None),
        (f"/app/agents/{ann}/edit", {"username": EVIL, "email": EVIL, "capacity": EVIL, "level": EVIL}),
        (f"/app/agents/{ann}/reassign", None),
        (f"/app/agents/{ann}/return", {"reason": EVIL}),
        ("/app/agents/new", {"username": EVIL, "email": EVIL, "phone": EVIL, "first_name": EVIL, "capacity": EVIL}),
        (f"/app/users/{ann}", None),
        ("/app/users/new", {"username": EVIL, "role": EVIL, "last_name": EVIL}),
        ("/app/customers", None),
        (f"/app/customers/{customer.id}", None),
        (f"/app/customers/{customer.id}/edit", {"email": EVIL}),
        (f"/app/customers/{customer.id}/delete", None),
    ):
        seen.get(path)
        pages.append((path, seen.text if fields is None else seen.send(path, **fields).text))
    queries = ("q", "agent", "created_from", "created_to", "external_id", "customer_id", "sort", "status", "cursor")
    pages += [(name, seen.get(f"/app/tickets?{urlencode({name: EVIL})}").text) for name in queries]
    for path, page in pages:
        assert (path, "<script>alert" in page, "<img src=x" in page, "\"'&{{" in page) == (path, False, False, False)
    assert sum("&lt;script&gt;alert(1)" in page for _, page in pages) > 18


def test_passwords_typed_are_never_sent_back_or_kept(visitor: Visit, root: int, ann: int, container: Any) -> None:
    seen = visitor("root")
    for path in ("/app/users/new", "/app/agents/new", f"/app/users/{ann}/password"):
        form = seen.get(path).form(path)
        assert "key" not in dict(form.fields)
        assert PASSWORD not in seen.send(path, password=PASSWORD, repeated="x").text
