"""Every door at which a password is asked for, and who counts as one guesser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from service.api.app import create_app
from service.bootstrap import Container, build_container
from service.config import Settings
from service.dashboard import pages
from service.domain.model import Role
from service.usecases.ports.people import UserDraft
from tests.integration.api.conftest import PASSWORD
from tests.integration.dashboard.visitor import Visitor

TRIES, ADDRESS_TRIES = 3, 8


@pytest.fixture
def strict(settings: Settings, container: Container) -> Iterator[Callable[..., Any]]:
    """Make an application that allows few tries; they are not regained within a test."""
    made: list[Container] = []

    def make(**more: Any) -> Any:
        tight = {"sign_in_tries": TRIES, "sign_in_address_tries": ADDRESS_TRIES, "sign_in_window_s": 86_400}
        made.append(build_container(settings.model_copy(update=tight | more)))
        app = create_app(made[-1])
        pages.install(app)
        return app

    yield make
    for each in made:
        each.close()


@pytest.fixture
def people(container: Container) -> None:
    for name in ("root", "ann", "bob"):
        role = Role.ADMIN if name == "root" else Role.OPERATOR
        container.users.create(UserDraft(username=name, password=PASSWORD, role=role))


def by_token(client: FlaskClient, username: str, password: str) -> Any:
    return client.post("/api/token", json={"username": username, "password": password})


def by_long_lived_token(client: FlaskClient, username: str, password: str) -> Any:
    return client.post("/api-token-auth/", json={"username": username, "password": password})


def by_page(client: FlaskClient, username: str, password: str) -> Any:
    """Fill the form in; 303 is the page's way of letting in."""
    visitor = Visitor(client).get("/app/sign-in")
    body = visitor.filled("/app/sign-in", None, {"username": username, "password": password})
    return client.post("/app/sign-in", data=body, content_type="application/x-www-form-urlencoded")


def signed_out(client: FlaskClient) -> FlaskClient:
    """Sign out by the page, and keep what else the browser knows."""
    Visitor(client).get("/app/account").send("/app/sign-out")
    return client


DOORS = [by_token, by_long_lived_token, by_page]


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("username", ["ann", "nobody"])
def test_every_door_closes_after_too_many_wrong_passwords(
    strict: Callable[..., Any], door: Callable[..., Any], username: str
) -> None:
    app = strict()
    answers = [door(app.test_client(), username, "Wrong-horse-7") for _ in range(TRIES + 2)]
    assert [answer.status_code for answer in answers] == [401] * TRIES + [429] * 2
    wait_s = answers[-1].headers["Retry-After"]
    assert f"Too many wrong passwords. Try again in {wait_s} seconds." in answers[-1].text
    for other in DOORS:
        assert other(app.test_client(), username, PASSWORD).status_code == 429


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("door", DOORS)
def test_right_passwords_are_never_too_many(strict: Callable[..., Any], door: Callable[..., Any]) -> None:
    app = strict()
    answers = [door(app.test_client(), "ann", PASSWORD) for _ in range(2 * TRIES)]
    assert {answer.status_code for answer in answers} <= {200, 303}


@pytest.mark.usefixtures("people")
def test_who_is_signed_in_guesses_the_present_password_no_faster(strict: Callable[..., Any]) -> None:
    app = strict()
    tokens = [by_token(app.test_client(), "ann", PASSWORD).json["access"] for _ in range(2)]

    def change(token: str, old: str, new: str = "Another-horse-8") -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        return app.test_client().post(
            "/api/me/password", json={"old_password": old, "new_password": new}, headers=headers
        )

    guesses = [change(tokens[0], f"Wrong-horse-{n}").status_code for n in range(TRIES + 2)]
    assert guesses == [400] * TRIES + [429] * 2
    closed = change(tokens[0], PASSWORD)
    assert (closed.status_code, closed.json["code"]) == (429, "too_many_tries")
    assert change(tokens[1], PASSWORD, "weak").status_code == 400
    assert change(tokens[1], PASSWORD).status_code == 204


@pytest.mark.usefixtures("people")
def test_the_page_says_so_too_where_a_password_is_changed(strict: Callable[..., Any]) -> None:
    seen = Visitor(strict().test_client()).sign_in("ann")
    fields = {"old_password": "Wrong-horse-7", "new_password": "Another-horse-8", "repeated": "Another-horse-8"}
    for _ in range(TRIES + 1):
        seen.get("/app/account").send("/app/account", **fields)
    wait_s = seen.answer.headers["Retry-After"]
    assert (seen.status, int(wait_s) > 0) == (429, True)
    assert f"Too many wrong passwords. Try again in {wait_s} seconds." in seen.text
    assert seen.form("/app/account").fields  # in the form it was sent from


@pytest.mark.usefixtures("people")
def test_a_browser_its_owner_signed_in_with_is_let_in_from_an_address_that_others_use_up(
    strict: Callable[..., Any],
) -> None:
    app = strict()
    browser, neighbour = app.test_client(), app.test_client()
    assert by_page(browser, "ann", PASSWORD).status_code == 303
    guesses = [by_page(neighbour, "ann", "Wrong-horse-7").status_code for _ in range(TRIES + 1)]
    assert guesses == [401] * TRIES + [429]
    assert by_page(neighbour, "ann", PASSWORD).status_code == 429
    assert by_page(signed_out(browser), "ann", PASSWORD).status_code == 303
    signed_out(browser)
    own = [by_page(browser, "ann", "Wrong-horse-7").status_code for _ in range(TRIES + 1)]
    assert own == [401] * TRIES + [429]


@pytest.mark.usefixtures("people")
def test_a_mark_of_one_account_is_worth_nothing_for_another(strict: Callable[..., Any]) -> None:
    app = strict()
    mallory = app.test_client()
    assert by_page(mallory, "bob", PASSWORD).status_code == 303
    through = 0
    for _ in range(3):
        signed_out(mallory)
        through += sum(by_page(mallory, "ann", "Wrong-horse-7").status_code == 401 for _ in range(TRIES))
        by_page(mallory, "bob", PASSWORD)
    assert through == TRIES


@pytest.mark.usefixtures("people")
def test_an_address_closes_for_all_names_and_opens_to_who_was_there_before(strict: Callable[..., Any]) -> None:
    client = strict().test_client()
    assert by_token(client, "bob", PASSWORD).status_code == 200
    statuses = [by_token(client, f"name-{n}", "x").status_code for n in range(ADDRESS_TRIES + 2)]
    assert statuses == [401] * ADDRESS_TRIES + [429] * 2
    assert by_token(client, "ann", PASSWORD).status_code == 429
    assert by_token(client, "bob", PASSWORD).status_code == 200


@pytest.mark.usefixtures("people")
def test_proxies_are_believed_as_far_as_they_are_known(strict: Callable[..., Any]) -> None:
    def from_(app: Any, forwarded: str) -> int:
        headers = {"X-Forwarded-For": forwarded}
        body = {"username": "ann", "password": PASSWORD}
        return int(app.test_client().post("/api/token", json=body, headers=headers).status_code)

    def fill(app: Any, forwarded: str) -> None:
        for n in range(ADDRESS_TRIES):
            headers = {"X-Forwarded-For": forwarded}
            app.test_client().post("/api/token", json={"username": f"n-{n}", "password": "x"}, headers=headers)

    behind = strict(trusted_proxies=1)
    fill(behind, "203.0.113.9")
    assert from_(behind, "203.0.113.9") == 429
    assert from_(behind, "198.51.100.1, 203.0.113.9") == 429  # what the client wrote itself is not believed
    assert from_(behind, "203.0.113.10") == 200
    bare = strict()
    fill(bare, "203.0.113.20")
    assert from_(bare, "203.0.113.21") == 429


@pytest.mark.usefixtures("people")
def test_many_guesses_at_once_are_no_more(strict: Callable[..., Any], engine: Engine) -> None:
    app = strict(web_threads=64)
    with ThreadPoolExecutor(12) as pool:
        statuses = list(pool.map(lambda _: by_token(app.test_client(), "ann", "x").status_code, range(24)))
    assert sorted(statuses) == [401] * TRIES + [429] * (24 - TRIES)
    with engine.connect() as connection:
        kept = connection.execute(text("SELECT count(*) FROM password_tries")).scalar_one()
    assert kept == 2  # the account and the address


@pytest.mark.usefixtures("people")
def test_a_crowd_is_told_to_come_back_and_no_thread_waits_for_it(strict: Callable[..., Any]) -> None:
    app = strict(web_threads=2)
    turns = app.extensions["fairdeal"].sessions._passwords._turns  # where they are made is nobody else's business
    turns._may_wait = 0
    with turns.turn(), ThreadPoolExecutor(1) as crowd:
        answer = crowd.submit(by_token, app.test_client(), "ann", PASSWORD).result(30)
        assert (answer.status_code, answer.json["code"], answer.headers["Retry-After"]) == (503, "passwords_busy", "1")
        page = crowd.submit(by_page, app.test_client(), "ann", PASSWORD).result(30)
        assert (page.status_code, "try again in a second" in page.text) == (503, True)
    for _ in range(2 * TRIES):
        assert by_token(app.test_client(), "ann", PASSWORD).status_code == 200
