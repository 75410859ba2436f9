"""Other people's objects: every route of the API and the page, called by everybody with ids that are Ann's.

Whose business it is stands in `who_reaches`, route by route, and the route table is walked: a new route with an id in
its path has no row there and fails. Who has no business there sees nothing of Ann's and changes nothing. Who has, finds
it, so that no "not found" is one for there being nothing.
"""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from service.bootstrap import Container
from tests.integration.api.anns import API, MARK, PAGE, ROUTES, World
from tests.integration.api.who_reaches import REACHED_BY
from tests.integration.dashboard.visitor import Visitor

EVERYBODY = ("root", "olga", "ann", "bob")
REFUSED = {403, 404}


@pytest.fixture
def world(container: Container, engine: Engine) -> World:
    return World(container, engine)


def refused_to(who: str, routes: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Name the routes that speak of Ann's things and are none of their business."""
    return [route for route in routes if who not in REACHED_BY.get(route, who)]


def read_by(who: str, routes: list[tuple[str, str]]) -> list[str]:
    """Name what they may read of Ann's things."""
    return [rule for method, rule in routes if method == "GET" and who in REACHED_BY.get((method, rule), ())]


def test_every_route_with_an_id_has_a_row() -> None:
    assert {(method, rule) for method, rule in ROUTES if "<id:" in rule} == REACHED_BY.keys()


def test_there_is_something_to_be_seen(world: World) -> None:
    ann = world.client("ann")
    for path in ("/api/me", "/api/tickets/1", "/api/tickets", "/api/tickets/held", "/api/tickets/1/history"):
        assert MARK in ann.get(path).text, path
    assert MARK in Visitor(world.app.test_client()).sign_in("ann").get("/app/desk").text


@pytest.mark.parametrize("who", EVERYBODY)
def test_who_has_no_business_with_an_id_is_refused_by_the_api(world: World, who: str) -> None:
    client = world.client(who)
    before = world.anns()
    for method, rule in refused_to(who, API):
        answer = client.open(world.path(rule), method=method, json=world.body(method, rule))
        assert answer.status_code in REFUSED, (method, rule, answer.status_code, answer.text)
        assert MARK not in answer.text, (method, rule)
        assert world.anns() == before, (method, rule)


@pytest.mark.parametrize("who", ["root", "olga", "ann"])
def test_who_has_business_with_an_id_finds_what_it_names(world: World, who: str) -> None:
    client, page = world.client(who), Visitor(world.app.test_client()).sign_in(who)
    for rule in read_by(who, API):
        answer = client.get(world.path(rule))
        assert answer.status_code == 200, (rule, answer.text)
    for rule in read_by(who, PAGE):
        answer = page.client.get(world.path(rule))
        assert answer.status_code == 200, (rule, answer.text)


@pytest.mark.parametrize("who", EVERYBODY)
def test_the_page_of_anothers_things_is_no_page(world: World, who: str) -> None:
    page = Visitor(world.app.test_client()).sign_in(who)
    for method, rule in refused_to(who, PAGE):
        if method == "GET":
            assert page.client.get(world.path(rule)).status_code in REFUSED, rule


def test_no_route_of_the_api_shows_or_changes_what_is_anothers(world: World) -> None:
    """Those without an id in their path too: lists, and what names tickets and people in its body."""
    before = world.anns()
    seen: list[str] = []
    bob = world.client("bob")
    for method, rule in API:
        answer = bob.open(world.path(rule), method=method, json=world.body(method, rule))
        assert answer.status_code < 500, (method, rule, answer.text)
        if MARK in answer.text:
            seen.append(f"{method} {rule}")
        assert world.anns() == before, (method, rule)
        if method != "GET" and bob.get("/api/me").status_code == 401:
            bob = world.client("bob")
    assert seen == []


@pytest.mark.parametrize("username", ["bob", "olga"])
def test_no_route_of_the_page_shows_or_changes_what_is_anothers(world: World, username: str) -> None:
    before = world.anns()
    seen: list[str] = []
    visitor = Visitor(world.app.test_client())
    for method, rule in PAGE:
        if "Sign out" not in visitor.get("/app/account").text:
            visitor.sign_in(username).get("/app/account")
        token = dict(visitor.form("/app/account").fields)["csrf"]
        form = {
            "csrf": token, "key": "k", "ticket": "1", "tickets": "1", "ticket_id": "1", "epoch": "1", "act": "start",
            "reason": MARK[:4], "priority": "high", "agent": str(world.ann), "agent_id": str(world.ann),
            "availability": "away", "role": "admin", "subject": "x", "username": "x1x", "password": "Another-horse-8",
        }  # fmt: skip
        answer = visitor.client.open(world.path(rule), method=method, data=form if method == "POST" else None)
        assert answer.status_code < 500, (method, rule, answer.text)
        if MARK in answer.text:
            seen.append(f"{method} {rule}")
        assert world.anns() == before or rule.startswith("/app/operations"), (method, rule)
    assert seen == []
