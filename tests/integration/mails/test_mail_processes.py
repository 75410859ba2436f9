"""From a fetch to a letter through real processes, and what is left when one is killed with a letter in its hands."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import Engine, text

from scripts.waiting import wait_until
from service.bootstrap import Container
from service.config import Settings
from service.domain.model import Priority
from service.usecases.ports.tickets import TicketChanges
from tests.integration.mails.mail_server import CERTIFICATE, PASSWORD, USER, Post, mail_server
from tests.integration.mails.mailing import give_address, states

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
PATIENCE_S = 60.0


class Stage:
    """The processes, and what they said."""

    def __init__(self, settings: Settings, directory: Path, stack: ExitStack) -> None:
        self._directory = directory
        self._stack = stack
        self._environ = {
            **os.environ,
            "DATABASE_URL": settings.database_url,
            "REDIS_URL": settings.redis_url,
            "JWT_SECRET_KEY": settings.jwt_secret_key.get_secret_value(),
            "QUEUE_PREFIX": settings.queue_prefix,
            "VAR_DIR": str(directory),
            "PUBLIC_URL": "https://fairdeal.example.com",
            "LOG_FORMAT": "text",
        }

    def spawn(self, what: str, **environ: str) -> subprocess.Popen[bytes]:
        with (self._directory / f"{what}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "workers", what], cwd=ROOT, env=self._environ | environ, stdout=log, stderr=log
            )
        self._stack.callback(kill, process)
        return process

    def eventually(self, condition: Callable[[], bool]) -> None:
        if not wait_until(condition, PATIENCE_S):
            logs = "\n".join(path.read_text() for path in sorted(self._directory.glob("*.log")))
            pytest.fail(f"did not come about within {PATIENCE_S} s; the logs say:\n{logs}")

    def said(self) -> str:
        return "".join(path.read_text() for path in sorted(self._directory.glob("*.log")))


def kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


@pytest.fixture
def stage(settings: Settings, tmp_path: Path) -> Iterator[Stage]:
    with ExitStack() as stack:
        yield Stage(settings, tmp_path, stack)


@pytest.fixture
def ann(engine: Engine, make_agent: Callable[..., int]) -> int:
    agent_id = make_agent("ann")
    give_address(engine, agent_id)
    return agent_id


def a_while_later(engine: Engine) -> None:
    """Let ten minutes pass for mails in a sender's hands."""
    with engine.begin() as connection:
        earlier = "taken_at - interval '10 min', handed_over_at = handed_over_at - interval '10 min'"
        connection.execute(text(f"UPDATE mails SET taken_at = {earlier}"))


def test_a_fetch_becomes_one_letter_and_a_new_priority_another(
    stage: Stage, container: Container, engine: Engine, ann: int, make_tickets: Callable[..., list[int]]
) -> None:
    ids, post = make_tickets(15), Post()
    with mail_server(post, starttls=True, wants_login=True) as server:
        url = f"smtp://{USER}:{quote(PASSWORD, safe='')}@localhost:{server.port}"
        stage.spawn("messenger", SMTP_URL=url, SSL_CERT_FILE=str(CERTIFICATE))
        stage.spawn("clock", SMTP_URL=url)
        container.assignments.fetch(ann)
        stage.eventually(lambda: len(post.letters) == 1)
        container.tickets.update(ids[0], TicketChanges(priority=Priority.HIGH), actor_id=None)
        began = time.monotonic()
        stage.eventually(lambda: len(post.letters) == 2)
        print(f"the second letter took {time.monotonic() - began:.1f} s")
        stage.eventually(lambda: states(engine) == ["sent", "sent"])
    assert [letter["Subject"] for letter in post.letters] == [
        "You fetched 15 tickets",
        "Ticket 1 has high priority now: Ticket 1",
    ]
    body = post.letters[0].get_body(("plain",))
    assert body is not None
    links = {word for word in body.get_content().split() if "/desk/tickets/" in word}
    assert links == {f"https://fairdeal.example.com/desk/tickets/{ticket_id}" for ticket_id in ids}
    assert "ann@example.com" not in stage.said()
    assert PASSWORD not in stage.said()
    assert "Traceback" not in stage.said()


def test_without_a_server_letters_become_files(
    stage: Stage, container: Container, engine: Engine, ann: int, make_tickets: Callable[..., list[int]], tmp_path: Path
) -> None:
    make_tickets(3)
    stage.spawn("messenger")
    stage.spawn("clock")
    container.assignments.fetch(ann)
    stage.eventually(lambda: states(engine) == ["sent"])
    [letter] = (tmp_path / "outbox").iterdir()
    assert letter.suffix == ".eml"
    assert b"Subject: You fetched 3 tickets" in letter.read_bytes()


@pytest.mark.faults
@pytest.mark.parametrize(("moment", "end", "arrived"), [("on_sender", "sent", 1), ("on_letter", "unknown", 1)])
def test_a_messenger_killed_with_a_letter_in_its_hands_sends_it_once_at_the_most(
    stage: Stage, container: Container, engine: Engine, ann: int, make_tickets: Callable[..., list[int]],
    moment: str, end: str, arrived: int,
) -> None:  # fmt: skip
    """Killed before the message, it certainly was not sent and is; killed before the answer, nobody can know."""
    make_tickets(1)
    post, reached, go_on = Post(), threading.Event(), threading.Event()

    def hold() -> None:
        reached.set()
        go_on.wait(PATIENCE_S)

    setattr(post, moment, hold)
    with mail_server(post) as server:
        url = f"smtp://127.0.0.1:{server.port}?starttls=no"
        messenger = stage.spawn("messenger", SMTP_URL=url)
        stage.spawn("clock", SMTP_URL=url)
        container.assignments.fetch(ann)
        stage.eventually(reached.is_set)
        kill(messenger)
        setattr(post, moment, None)
        go_on.set()
        assert states(engine) == ["sending"]
        a_while_later(engine)
        stage.spawn("messenger", SMTP_URL=url)
        stage.eventually(lambda: states(engine) == [end])
        assert len(post.letters) == arrived
