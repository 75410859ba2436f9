"""What is Ann's, for the tests of what others may see and change of it: one of everything that has an id."""

from __future__ import annotations

import json
import re
from typing import Any

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
    "sessions": "SELECT s.* FROM sessions s JOIN users u ON u.id = user_id WHERE username IN ('ann', 'root')",
    "webhooks": "SELECT * FROM webhooks ORDER BY id",
    "deliveries": "SELECT * FROM webhook_deliveries ORDER BY id",
    "imports": "SELECT * FROM imports ORDER BY id",
    "reconciliations": "SELECT * FROM reconciliations ORDER BY id",
}

MADE = {
    "mail_id": """
    INSERT INTO mails (user_id, kind, event_id, happened_at, lines, state, attempts_allowed, settled_at, sent_to)
    VALUES (:ann, 'fetched', 1, now(), '[]', 'failed', 5, now(), :mark) RETURNING id""",
    "webhook_id": """
    INSERT INTO webhooks (url, description, secret)
    VALUES ('https://receiver.invalid/', :mark, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw') RETURNING id""",
    "delivery_id": """
    INSERT INTO webhook_deliveries (webhook_id, kind, state, next_try_at, last_error)
    SELECT id, 'ping', 'failed', NULL, :mark FROM webhooks RETURNING id""",
    "import_id": """
    INSERT INTO imports (format, on_error, status, requested_by, size_bytes, lines, error)
    VALUES ('csv', 'skip', 'failed', (SELECT id FROM users WHERE username = 'root'), 1, 1, :mark) RETURNING id""",
    "run_id": """
    INSERT INTO reconciliations (tier, trigger, status) VALUES ('full', 'request', 'failed') RETURNING id""",
}
"""What Ann has besides, by the name that its id has in paths."""

NOBODYS = {"name": "1", "rest": "1", "asset": "1", "job_id": "1"}
"""Other names in paths: files, charts and background jobs, which belong to nobody."""

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
        people = {"email": f"{MARK}@example.com", "phone": MARK}  # colleagues see names
        root = container.users.create(UserDraft(username="root", password=PASSWORD, role=Role.ADMIN))
        self.ann = container.agents.create(AgentDraft(username="ann", password=PASSWORD, **people)).id
        container.tickets.create_many([TicketDraft(subject=MARK, description=MARK)], actor_id=root.id)
        container.assignments.fetch(self.ann)
        container.history.note(1, MARK, author=container.sessions.principal(self.session("ann", container)))
        customer = container.customers.create(CustomerDraft(name=MARK, email=f"{MARK}@example.org"))
        container.agents.create(AgentDraft(username="bob", password=PASSWORD))
        container.users.create(UserDraft(username="olga", password=PASSWORD, role=Role.OPERATOR))
        self.ids = {"ticket_id": 1, "agent_id": self.ann, "user_id": self.ann, "customer_id": customer.id}
        with engine.begin() as connection:
            for name, made in MADE.items():
                self.ids[name] = connection.execute(text(made), {"ann": self.ann, "mark": MARK}).scalar_one()
        self.spec = self.app.test_client().get("/openapi.json").json

    @staticmethod
    def session(username: str, container: Container) -> Any:
        return container.sessions.login(username, PASSWORD, address=None).session_id

    def path(self, rule: str) -> str:
        """Fill a rule with Ann's ids. A KeyError asks for something of Ann's of a new kind: put it into `MADE`."""
        return re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", lambda found: str({**self.ids, **NOBODYS}[found[1]]), rule)

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
            return {name: sorted(map(repr, connection.execute(text(query)))) for name, query in ANNS.items()}

    def client(self, username: str) -> FlaskClient:
        client = self.app.test_client()
        answer = client.post("/api/token", json={"username": username, "password": PASSWORD})
        client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {answer.json['access']}"
        return client
