"""What keeps the page's forms, cookies and texts from being turned against its readers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from service.dashboard.cookies import ACCESS, REFRESH
from service.domain.model import Role
from service.usecases.ports.people import UserChanges
from tests.integration.dashboard.visitor import Visitor

Visit = Callable[..., Visitor]
EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{7*7}}"
FORMS = (
    "/app/desk/fetch", "/app/desk/act", "/app/desk/release", "/app/desk/sell", "/app/desk/availability",
    "/app/desk/seen", "/app/account", "/app/sign-out", "/app/desk/tickets/1",
)  # fmt: skip


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize("token", ["", "0" * 64, "other"])
def test_forms_of_other_sites_are_refused(visitor: Visit, ann: int, path: str, token: str, person: Any) -> None:
    seen = visitor("ann")
    if token == "other":
        person("bob")
        token = dict(visitor("bob").form("/app/desk/fetch").fields)["csrf"]
    answer = seen.client.post(path, data={"csrf": token, "act": "start:1"})
    assert answer.status_code == 403
    assert "Nothing was done" in answer.get_data(as_text=True)
    assert seen.get("/app/desk").path == "/app/desk"


def test_a_form_from_another_site_is_refused_even_with_our_token(visitor: Visit, ann: int) -> None:
    seen = visitor("ann")
    body = seen.filled("/app/desk/fetch", None, {})
    for site in ("cross-site", "same-site"):
        assert seen.post("/app/desk/fetch", body, **{"Sec-Fetch-Site": site}).status == 403
    assert seen.get("/app/desk").post("/app/desk/fetch", body, **{"Sec-Fetch-Site": "same-origin"}).status == 200


def test_nobody_can_be_signed_in_by_another_site(visitor: Visit, ann: int) -> None:
    seen = visitor()
    answer = seen.client.post("/app/sign-in", data={"username": "ann", "password": "Correct-horse-7"})
    assert answer.status_code == 403
    assert seen.client.get_cookie(ACCESS, path="/app") is None


def test_what_is_asked_by_get_changes_nothing(visitor: Visit, ann: int, tickets: Any, container: Any) -> None:
    tickets(2)
    seen = visitor("ann")
    for path in FORMS:
        seen.client.get(path)
    assert container.assignments.held(ann).held == 0
    assert seen.client.get_cookie(REFRESH, path="/app") is not None


@pytest.mark.parametrize("role", [Role.ADMIN, Role.OPERATOR])
def test_the_desk_is_for_agents_alone(visitor: Visit, person: Any, role: Role) -> None:
    person("zoe", role)
    seen = visitor("zoe").get("/app/desk")
    assert seen.status == 403
    assert "Only agent may do this" in seen.text
    assert "Sign out" in seen.text


def test_every_answer_carries_a_strict_policy_and_is_kept_by_nobody(visitor: Visit, ann: int) -> None:
    seen = visitor("ann")
    for path in ("/app/desk", "/app/account", "/app/nothing/here", "/app/desk/tickets/99"):
        headers = seen.get(path).answer.headers
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert 'style="' not in seen.text
        assert "<script>" not in seen.text


def test_assets_are_ours_and_kept_for_long(visitor: Visit, ann: int) -> None:
    seen = visitor("ann")
    assets = [part.partition('"')[0] for part in seen.text.replace('src="', 'href="').split('href="')[1:]]
    assets = [asset for asset in assets if "/assets/" in asset]
    assert len(assets) >= 8
    for asset in assets:
        answer = seen.client.get(asset)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"]
    for other in ("../pages.py", "..%2fpages.py", "vendor", "", "vendor/../../pages.py"):
        assert seen.client.get(f"/app/assets/{other}").status_code == 404


def test_texts_are_shown_as_texts(visitor: Visit, ann: int, root: int, tickets: Any, container: Any) -> None:
    (ticket, other) = tickets(2, subject=EVIL, description=EVIL)
    container.users.update(root, UserChanges(first_name=EVIL), actor_id=None)
    seen = visitor("ann").send("/app/desk/fetch")
    pages = [seen.text]
    container.lifecycle.return_one(other.id, actor_id=root, reason=EVIL)
    pages.append(seen.get("/app/desk").text)
    pages.append(seen.get(f"/app/desk/tickets/{ticket.id}").send(seen.path, note=EVIL).text)
    pages.append(seen.get(f"/app/desk/sell?ticket={ticket.id}").send("/app/desk/sell", name=EVIL, email=EVIL).text)
    pages.append(seen.send("/app/desk/sell", name=EVIL, email="kim@example.com").text)
    pages.append(visitor().sign_in(EVIL).text)
    pages.append(visitor().get("/app/sign-in?next=" + EVIL).text)
    for page in pages:
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "&lt;script&gt;alert(1)" in page


def test_the_apis_errors_stay_what_they_are(visitor: Visit, ann: int) -> None:
    client = visitor("ann").client
    for path in ("/api/me", "/api/nothing", "/nothing"):
        assert client.get(path).content_type == "application/problem+json"
    assert client.get("/app/nothing").content_type == "text/html; charset=utf-8"


def test_what_breaks_is_told_without_telling_why(visitor: Visit, ann: int, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = visitor("ann")

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret inner life")

    monkeypatch.setattr("service.usecases.desk.Desks.look", broken)
    seen.get("/app/desk")
    assert seen.status == 500
    assert "Something went wrong on our side" in seen.text
    assert "secret" not in seen.text
