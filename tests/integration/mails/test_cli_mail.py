"""`fairdeal mail test`: a letter at once, and what the server said."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from scripts.ports import free_port
from service.cli import cli
from service.cli.setup import Setup
from tests.integration.mails.mail_server import Post, mail_server

GOOD = {
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "JWT_SECRET_KEY": "a key that is good enough for tests",
}


def run(address: str, **environ: str) -> Result:
    return CliRunner().invoke(cli, ["mail", "test", address], obj=Setup(GOOD | environ))


def test_a_letter_goes_to_the_server() -> None:
    post = Post()
    with mail_server(post) as server:
        done = run(
            "you@example.com",
            SMTP_URL=f"smtp://127.0.0.1:{server.port}?starttls=no",
            MAIL_FROM="The Desk <desk@example.com>",
        )
    assert (done.exit_code, done.output) == (
        0,
        f"Sent to you@example.com by way of smtp://127.0.0.1:{server.port}\n",
    )
    assert (post.senders, post.recipients) == (["desk@example.com"], ["you@example.com"])


def test_what_the_server_said_against_it_is_told() -> None:
    post = Post(answers={"RCPT": ["550 no such user"]})
    with mail_server(post) as server:
        done = run("you@example.com", SMTP_URL=f"smtp://127.0.0.1:{server.port}?starttls=no")
    assert (done.exit_code, done.output) == (1, "Error: The server said: 550 no such user\n")


def test_a_server_that_is_not_there_is_told_without_its_password() -> None:
    done = run("you@example.com", SMTP_URL=f"smtp://me:not-for-showing@127.0.0.1:{free_port()}")
    assert done.exit_code == 1
    assert "ConnectionRefusedError" in done.output
    assert "not-for-showing" not in done.output


def test_without_a_server_it_becomes_a_file(tmp_path: Path) -> None:
    done = run("you@example.com", VAR_DIR=str(tmp_path))
    assert (done.exit_code, done.output) == (0, f"Sent to you@example.com by way of {tmp_path / 'outbox'}\n")
    [letter] = (tmp_path / "outbox").iterdir()
    assert b"To: you@example.com" in letter.read_bytes()


@pytest.mark.parametrize("address", ["nobody", "a@b\nBcc: c@d"])
def test_an_address_that_is_none_is_refused(address: str, tmp_path: Path) -> None:
    done = run(address, VAR_DIR=str(tmp_path))
    assert (done.exit_code, "must be an email address" in done.output) == (1, True)
    assert not (tmp_path / "outbox").exists()
