"""Signing in and out by the page: cookies, their renewal, and what is told when it fails."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask_jwt_extended import create_access_token

from service.api.app import create_app
from service.config import load
from service.dashboard import pages
from service.dashboard.cookies import ACCESS, DEVICE, REFRESH
from service.domain.model import Role
from service.usecases.ports.people import UserChanges
from tests.integration.dashboard.visitor import PASSWORD, Visitor

Visit = Callable[..., Visitor]


def cookies_set(visitor: Visitor) -> dict[str, str]:
    """Name the cookies that an answer sets, each with its flags."""
    set_ = visitor.answer.headers.getlist("Set-Cookie")
    return {each.partition("=")[0]: each.partition(";")[2] for each in set_}


def signed_in_raw(visitor: Visitor, username: str) -> Any:
    """Sign in without going on, to see the answer itself."""
    visitor.get("/app/sign-in")
    body = visitor.filled("/app/sign-in", None, {"username": username, "password": PASSWORD})
    return visitor.client.post("/app/sign-in", data=body, content_type="application/x-www-form-urlencoded")


def test_browsers_are_led_to_the_page_and_others_to_the_documentation(visitor: Visit) -> None:
    client = visitor().client
    accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    assert client.get("/", headers={"Accept": accept}).headers["Location"] == "/app/"
    for other in ("*/*", "application/json", ""):
        assert client.get("/", headers={"Accept": other}).headers["Location"] == "/docs"


@pytest.mark.parametrize(("role", "begins"), [(Role.AGENT, "/app/desk"), (Role.ADMIN, ""), (Role.OPERATOR, "")])
def test_everybody_signs_in_and_begins_at_their_own_page(
    visitor: Visit, person: Callable[..., int], role: Role, begins: str
) -> None:
    person("zoe", role)
    seen = visitor("zoe")
    assert seen.status == 200
    assert "Sign out" in seen.text
    assert seen.path.startswith(begins or "/app/")


def test_cookies_are_for_the_page_alone_and_for_no_script(visitor: Visit, ann: int) -> None:
    visitor_ = visitor()
    answer = signed_in_raw(visitor_, "ann")
    visitor_.answer = answer
    flags = cookies_set(visitor_)
    for name in (ACCESS, REFRESH, DEVICE):
        assert "HttpOnly" in flags[name]
        assert "Path=/app" in flags[name]
        assert "SameSite=Lax" in flags[name]
        assert "Secure" not in flags[name]


@pytest.mark.parametrize("secure", ["auto", "always"])
def test_cookies_are_kept_to_https_where_it_is_used(container: Any, person: Any, secure: str) -> None:
    person("ann")
    given = container.settings.model_dump(exclude_none=True)
    given |= {"jwt_secret_key": container.settings.jwt_secret_key.get_secret_value(), "secure_cookies": secure}
    settings = load({name.upper(): str(value) for name, value in given.items()})

    class Services:
        def __getattr__(self, name: str) -> Any:
            return settings if name == "settings" else getattr(container, name)

    app = create_app(Services())  # type: ignore[arg-type]
    pages.install(app)
    scheme = "https" if secure == "auto" else "http"
    visitor = Visitor(app.test_client())
    visitor.answer = visitor.client.get("/app/sign-in", base_url=f"{scheme}://localhost")
    assert all("Secure" in flags for flags in cookies_set(visitor).values())


def test_the_api_takes_no_cookies(visitor: Visit, ann: int, app: Any) -> None:
    jar = visitor("ann").client
    cookie = "; ".join(f"{name}={jar.get_cookie(name, path='/app').value}" for name in (ACCESS, REFRESH))  # type: ignore[union-attr]
    sender = app.test_client(use_cookies=False)  # one that sends what it is told, whatever the path
    assert sender.get("/app/desk", headers={"Cookie": cookie}).status_code == 200
    assert sender.get("/api/me", headers={"Cookie": cookie}).status_code == 401
    assert sender.post("/api/tickets/fetch", json={}, headers={"Cookie": cookie}).status_code == 401


def test_a_wrong_password_is_told_in_the_same_words_as_an_unknown_name(visitor: Visit, ann: int) -> None:
    for username, password in (("ann", "Wrong-horse-7"), ("nobody", PASSWORD)):
        seen = visitor().sign_in(username, password)
        assert seen.status == 401
        assert "The username or the password is wrong." in seen.text
        assert f'value="{username}"' in seen.text
        assert password not in seen.text


def test_an_empty_form_says_what_is_missing(visitor: Visit) -> None:
    seen = visitor().sign_in("ann", "")
    assert (seen.status, "Give your username and your password." in seen.text) == (400, True)


def test_being_locked_out_says_for_how_long(visitor: Visit, ann: int) -> None:
    for _ in range(10):
        assert visitor().sign_in("ann", "Wrong-horse-7").status == 401
    seen = visitor().sign_in("ann")
    assert seen.status == 429
    assert f"Too many wrong passwords. Try again in {seen.answer.headers['Retry-After']} seconds." in seen.text


def test_a_fresh_install_says_how_to_sign_in(visitor: Visit, root: int, person: Any) -> None:
    assert "First time here?" in visitor().get("/app/sign-in").text
    person("ann")
    assert "First time here?" not in visitor().get("/app/sign-in").text


def test_signing_in_leads_back_to_what_was_asked_for_and_nowhere_else(visitor: Visit, ann: int) -> None:
    seen = visitor().get("/app/account")
    assert seen.path.startswith("/app/sign-in?next=")
    assert seen.send("/app/sign-in", username="ann", password=PASSWORD).path == "/app/account"
    for elsewhere in ("//evil.example/", "https://evil.example/", "/docs", "/app/\\evil.example", "/app/a\r\nX: y"):
        seen = visitor().get("/app/sign-in")
        assert seen.send("/app/sign-in", username="ann", password=PASSWORD, next=elsewhere).path == "/app/desk"


def test_an_access_token_that_has_run_out_is_renewed_silently(visitor: Visit, ann: int, app: Any) -> None:
    seen = visitor("ann")
    before = seen.client.get_cookie(REFRESH, path="/app").value
    with app.app_context():
        expired = create_access_token("1", expires_delta=timedelta(seconds=-1))
    for useless in (expired, "nonsense"):
        seen.client.set_cookie(ACCESS, useless, path="/app")
        assert seen.get("/app/desk").status == 200
        assert "My desk" in seen.text
    assert seen.client.get_cookie(REFRESH, path="/app").value != before


def test_a_form_survives_a_renewal(visitor: Visit, ann: int, tickets: Any) -> None:
    tickets(1)
    seen = visitor("ann")
    seen.client.delete_cookie(ACCESS, path="/app")
    assert "1 new ticket for you." in seen.send("/app/desk/fetch").text


def test_a_session_that_was_ended_says_so(visitor: Visit, ann: int, container: Any) -> None:
    seen = visitor("ann")
    container.sessions.revoke_all(ann)
    seen.get("/app/desk")
    assert "You have been signed out" in seen.text
    assert seen.client.get_cookie(ACCESS, path="/app") is None


def test_htmx_is_sent_to_the_sign_in_too(visitor: Visit, ann: int, container: Any) -> None:
    seen = visitor("ann")
    container.sessions.revoke_all(ann)
    answer = seen.client.get("/app/desk", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (401, "/app/sign-in?why=ended")


def test_deactivation_is_effective_at_once(visitor: Visit, ann: int, root: int, container: Any) -> None:
    seen = visitor("ann")
    container.users.update(ann, UserChanges(is_active=False), actor_id=root)
    assert seen.get("/app/desk").path.startswith("/app/sign-in")
    assert visitor().sign_in("ann").status == 401


def test_signing_out_ends_the_session_for_copies_of_its_tokens_too(visitor: Visit, ann: int) -> None:
    seen = visitor("ann")
    copy = seen.client.get_cookie(ACCESS, path="/app").value
    assert "You are signed out." in seen.send("/app/sign-out").text
    thief = visitor()
    thief.client.set_cookie(ACCESS, copy, path="/app")
    assert thief.get("/app/desk").path.startswith("/app/sign-in")


def test_somebody_signed_in_is_not_asked_again(visitor: Visit, ann: int) -> None:
    assert visitor("ann").get("/app/sign-in").path == "/app/desk"


def test_a_new_password_is_set_and_others_are_signed_out(visitor: Visit, ann: int) -> None:
    seen, elsewhere = visitor("ann"), visitor("ann")
    fields = {"old_password": PASSWORD, "new_password": "Another-horse-8", "repeated": "Another-horse-8"}
    seen.get("/app/account")
    assert "is not the same" in seen.send("/app/account", **{**fields, "repeated": "x"}).text
    assert "is not your present password" in seen.send("/app/account", **{**fields, "old_password": "x"}).text
    assert "Your password is changed." in seen.send("/app/account", **fields).text
    assert elsewhere.get("/app/desk").path.startswith("/app/sign-in")
    assert visitor().sign_in("ann", "Another-horse-8").path == "/app/desk"
