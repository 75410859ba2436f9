"""Other people's objects: every route of the API and the page, called by somebody whose business they are not.

Ann holds a ticket and has a customer, mails and preferences. Bob, an agent too, asks every route there is for them, by
its path and by its body; the route table is walked, so that a new route is asked as well. He must see nothing of Ann's
and change nothing of it.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from service.api.app import create_app
from service.bootstrap import Container
from service.dashboard import pages
from service.domain.model import Role
from service.usecases.ports.people import AgentDraft, CustomerDraft, UserDraft
from service.usecases.ports.tickets import TicketDraft
from tests.integration.api.conftest import PASSWORD
from tests.integration.dashboard.visitor import Visitor
from tests.unit.api.fakes import FakeServices

MARK = "none-of-bobs-business"
"""Stands in everything of Ann's that can hold a text."""

ANNS = {
    "tickets": "SELECT * FROM tickets ORDER BY id",
    "notes": "SELECT * FROM ticket_events WHERE ticket_id = 1 ORDER BY id",
    "ann": "SELECT u.*, a.* FROM users u JOIN agents a ON a.id = u.id WHERE u.username = 'ann'",
    "root": "SELECT * FROM users WHERE username = 'root'",
    "preferences": "SELECT p.* FROM notification_preferences p JOIN users u ON u.id = user_id WHERE username = 'ann'",
    "mails": "SELECT * FROM mails ORDER BY id",
    "customers": "SELECT * FROM customers ORDER BY id",
    "sessions": "SELECT s.* FROM sessions s JOIN users u ON u.id = user_id"
    " WHERE username IN ('ann', 'root') ORDER BY 1",
    "webhooks": "SELECT * FROM webhooks ORDER BY id",
    "imports": "SELECT * FROM imports ORDER BY id",
    "reconciliations": "SELECT * FROM reconciliations ORDER BY id",
}

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)

BARE = create_app(FakeServices())  # type: ignore[arg-type]
pages.install(BARE)
ROUTES = sorted(
    (method, rule.rule)
    for rule in BARE.url_map.iter_rules()
    for method in rule.methods or ()
    if method not in {"HEAD", "OPTIONS"}
)
API = [route for route in ROUTES if route[1].startswith("/api")]
PAGE = [route for route in ROUTES if route[1].startswith("/app/")]


class World:
    """Ann's things, and Bob at the door."""

    def __init__(self, container: Container, engine: Engine) -> None:
        self.engine = engine
        self.app = create_app(container)
        container.sessions._passwords._hasher = CHEAP
        pages.install(self.app)
        people = {"email": f"{MARK}@example.com", "first_name": MARK, "phone": MARK}
        root = container.users.create(UserDraft(username="root", password=PASSWORD, role=Role.ADMIN))
        self.ann = container.agents.create(AgentDraft(username="ann", password=PASSWORD, **people)).id
        container.tickets.create_many([TicketDraft(subject=MARK, description=MARK)], actor_id=root.id)
        container.assignments.fetch(self.ann)
        container.history.note(1, MARK, author=container.sessions.principal(self.session("ann", container)))
        customer = container.customers.create(CustomerDraft(name=MARK, email=f"{MARK}@example.org"))
        container.agents.create(AgentDraft(username="bob", password=PASSWORD))
        container.users.create(UserDraft(username="olga", password=PASSWORD, role=Role.OPERATOR))
        self.ids = {"ticket_id": 1, "agent_id": self.ann, "user_id": self.ann, "customer_id": customer.id}
        self.spec = self.app.test_client().get("/openapi.json").json

    @staticmethod
    def session(username: str, container: Container) -> Any:
        return container.sessions.login(username, PASSWORD, address=None).session_id

    def path(self, rule: str) -> str:
        """Fill a rule with Ann's ids, or with 1, which is the first of anything."""
        return re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", lambda found: str(self.ids.get(found[1], 1)), rule)

    def body(self, method: str, rule: str) -> Any:
        """Take the body of the document's example, every ticket and person in it Ann's."""
        operation = (
            self.spec["paths"].get(re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule), {}).get(method.lower(), {})
        )
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content is None:
            return None
        model = self.spec["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
        example = content.get("example") or model.get("example") or {}
        return json.loads(json.dumps(example), object_hook=self._of_anns)

    def _of_anns(self, given: dict[str, Any]) -> dict[str, Any]:
        def ours(name: str, value: Any) -> Any:
            if name in {"ticket_ids", "tickets", "ids"} and value and isinstance(value[0], int):
                return [1]
            return self.ids.get(name, 1 if name in {"ticket", "id"} else value)

        return {name: ours(name, value) for name, value in given.items()}

    def anns(self) -> dict[str, list[Any]]:
        """Read all that is Ann's."""
        with self.engine.connect() as connection:
            return {name: list(map(tuple, connection.execute(text(query)))) for name, query in ANNS.items()}

    def client(self, username: str) -> FlaskClient:
        client = self.app.test_client()
        answer = client.post("/api/token", json={"username": username, "password": PASSWORD})
        client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {answer.json['access']}"
        return client


@pytest.fixture
def world(container: Container, engine: Engine) -> World:
    return World(container, engine)


def test_there_is_something_to_be_seen(world: World) -> None:
    ann = world.client("ann")
    for path in ("/api/me", "/api/tickets/1", "/api/tickets", "/api/tickets/held", "/api/tickets/1/history"):
        assert MARK in ann.get(path).text, path
    assert MARK in Visitor(world.app.test_client()).sign_in("ann").get("/app/desk").text


def test_no_route_of_the_api_shows_or_changes_what_is_anothers(world: World) -> None:
    before = world.anns()
    seen: list[str] = []
    bob = world.client("bob")
    for method, rule in API:
        answer = bob.open(world.path(rule), method=method, json=world.body(method, rule))
        assert answer.status_code < 500, (method, rule, answer.text)
        if MARK in answer.text:
            seen.append(f"{method} {rule}")
        if "<id:" in rule and "delivery" not in rule:
            assert answer.status_code in {400, 403, 404, 405, 409}, (method, rule, answer.status_code, answer.text)
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


def test_an_operator_sees_no_more_of_the_api_than_operators_may(world: World) -> None:
    """Operators watch queues, not people: what they may read of tickets is in `test_access`."""
    before, olga = world.anns(), world.client("olga")
    for method, rule in API:
        if method != "GET" and "<id:" in rule:
            answer = olga.open(world.path(rule), method=method, json=world.body(method, rule))
            assert answer.status_code in {400, 403, 404, 405}, (method, rule, answer.status_code)
            assert world.anns() == before, (method, rule)
