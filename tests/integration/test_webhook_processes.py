"""Webhooks end to end: the API in front, clock and messenger as processes, a receiver that verifies what it gets."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from redis import Redis
from sqlalchemy import Engine

from service.api.app import create_app
from service.bootstrap import Container, build_container
from service.config import Settings
from service.domain.model import Role
from service.usecases.ports.people import AgentDraft, UserDraft
from tests.integration.telling import SECRET, Telling, until, verify
from tests.receiver import Receiver, receiver, status

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PASSWORD = "Correct-horse-7"
PREFIX = "webhooks"
CHANGED = {"queue_prefix": PREFIX, "webhook_allow": "127.0.0.1", "webhook_timeout_s": 60.0, "webhook_retry_s": 0.1}


class Stage:
    """The service in this process, and others beside it."""

    def __init__(self, container: Container, environ: dict[str, str], directory: Path, stack: ExitStack) -> None:
        self.container = container
        self.app = create_app(container)
        self._environ = environ
        self._directory = directory
        self._stack = stack
        container.users.create(UserDraft(username="root", password=PASSWORD, role=Role.ADMIN))
        container.agents.create(AgentDraft(username="ann", password=PASSWORD))

    def sign_in(self, username: str) -> FlaskClient:
        client: FlaskClient = self.app.test_client()
        access = client.post("/api/token", json={"username": username, "password": PASSWORD}).json["access"]
        client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {access}"
        return client

    def spawn(self, what: str) -> subprocess.Popen[bytes]:
        with (self._directory / f"{what}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "workers", what], cwd=ROOT, env=self._environ, stdout=log, stderr=log
            )
        self._stack.callback(kill, process)
        return process

    def said(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self._directory.glob("*.log")))


def kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


@pytest.fixture
def stage(engine: Engine, redis_client: Redis, settings: Settings, tmp_path: Path) -> Iterator[Stage]:
    with ExitStack() as stack:
        changed = settings.model_copy(update=CHANGED)
        container = build_container(changed)
        stack.callback(container.close)
        environ = {
            **os.environ,
            "DATABASE_URL": settings.database_url,
            "REDIS_URL": settings.redis_url,
            "JWT_SECRET_KEY": "a key that is good enough for tests",
            "LOG_FORMAT": "text",
            **{name.upper(): str(value) for name, value in CHANGED.items()},
        }
        yield Stage(container, environ, tmp_path, stack)


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as state:
        yield state


def eventually(stage: Stage, condition: Callable[[], bool], what: str) -> None:
    try:
        until(condition, what)
    except AssertionError:
        pytest.fail(f"{what} did not come about; the logs say:\n{stage.said()}")


def test_a_days_work_is_told_to_a_receiver(stage: Stage, there: Receiver) -> None:
    admin, ann = stage.sign_in("root"), stage.sign_in("ann")
    there.answers = [status(503)]
    body = {"url": there.url, "secret": SECRET, "causes": ["create", "fetch", "start", "resolve"]}
    made = admin.post("/api/webhooks", json=body)
    assert made.status_code == 201, made.text
    hook = made.headers["Location"]
    stage.spawn("clock")
    stage.spawn("messenger")

    tickets = [admin.post("/api/tickets", json={"subject": f"Ticket {n}"}).json["id"] for n in range(3)]
    ann.post("/api/tickets/fetch")
    ann.post(f"/api/tickets/{tickets[0]}/start")
    ann.post(f"/api/tickets/{tickets[0]}/notes", json={"note": "called"})  # nobody asked for notes
    ann.post(f"/api/tickets/{tickets[0]}/resolve")

    def events() -> list[tuple[str, int]]:
        seen = {each.id: each for each in there.received}
        return sorted((e["cause"], e["ticket_id"]) for each in seen.values() for e in each.told["data"]["events"])

    expected = [("create", n) for n in tickets] + [("fetch", n) for n in tickets]
    expected += [("resolve", tickets[0]), ("start", tickets[0])]
    eventually(stage, lambda: events() == expected, "all that happened")
    assert all(verify(SECRET, each.headers, each.body) for each in there.received)
    [fetched] = [each for each in there.received if each.told["data"]["events"][0]["cause"] == "fetch"]
    assert {event["actor_id"] for event in fetched.told["data"]["events"]} == {ann.get("/api/me").json["id"]}

    def all_delivered() -> bool:
        return {each["state"] for each in admin.get(f"{hook}/deliveries").json["items"]} == {"delivered"}

    eventually(stage, all_delivered, "the end of all deliveries")
    first = admin.get(f"{hook}/deliveries?sort=id").json["items"][0]
    assert (first["attempts"], first["message_id"]) == (2, there.ids[0]), "the 503 was followed by another try"
    again = admin.post(f"{hook}/deliveries/{first['id']}/redeliver")
    assert again.status_code == 202
    eventually(stage, lambda: there.ids.count(first["message_id"]) == 3, "the delivery sent by hand")
    assert admin.get("/metrics").status_code == 200
    assert "Traceback" not in stage.said(), stage.said()
    assert SECRET not in stage.said()


def test_what_a_killed_sender_had_under_way_arrives_under_the_same_id(
    stage: Stage, there: Receiver, engine: Engine
) -> None:
    admin = stage.sign_in("root")
    admin.post("/api/webhooks", json={"url": there.url, "secret": SECRET})
    for n in range(5):
        admin.post("/api/tickets", json={"subject": f"Ticket {n}"})
    there.answers = [status(200), status(200), there.hang]
    messenger = stage.spawn("messenger")
    stage.spawn("clock")
    eventually(stage, lambda: len(there.received) == 3, "the third message")
    kill(messenger)
    Telling(engine).lease_runs_out()
    stage.spawn("messenger")
    telling = Telling(engine)
    eventually(stage, lambda: telling.states() == ["delivered"] * 5, "the end of all deliveries")
    assert there.ids[2] == there.ids[3], "the same message, once more"
    assert len(set(there.ids)) == 5
    assert len(there.ids) == 6
    assert set(there.tickets) == {1, 2, 3, 4, 5}
