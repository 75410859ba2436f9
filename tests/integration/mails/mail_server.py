"""A real SMTP server (aiosmtpd) that can be told to misbehave at each step."""

from __future__ import annotations

import asyncio
import email
import email.policy
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from scripts.ports import free_port
from service.domain.mail_rules import SmtpServer

CERTIFICATE = Path(__file__).with_name("localhost.pem")
USER, PASSWORD = "fairdeal", "p:a/s@s"
OK = "250 OK"


@dataclass
class Post:
    """What arrived, and how the server is to behave."""

    letters: list[EmailMessage] = field(default_factory=list)
    senders: list[str] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    connections: int = 0
    callers: set[Any] = field(default_factory=set)
    """Connections that are open."""
    answers: dict[str, list[str]] = field(default_factory=dict)
    """By command, what to answer to the next ones instead of the usual; "break" cuts the connection."""
    on_sender: Callable[[], None] | None = None
    """Called before a sender is accepted."""
    on_letter: Callable[[], None] | None = None
    """Called when a letter has arrived whole, before it is answered."""

    def answer(self, command: str) -> str | None:
        waiting = self.answers.get(command)
        return waiting.pop(0) if waiting else None

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self.answer("MAIL") or OK
        if self.on_sender is not None:
            self.on_sender()
        if answer == OK:
            envelope.mail_from = address
        return _said(server, answer)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self.answer("RCPT") or OK
        if answer == OK:
            envelope.rcpt_tos.append(address)
        return _said(server, answer)

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        answer = self.answer("letter") or OK
        if self.on_letter is not None:
            self.on_letter()
        if not answer.startswith(("4", "5")):
            content = cast("bytes", envelope.content)
            read = email.message_from_bytes(content, policy=email.policy.default)
            self.letters.append(cast("EmailMessage", read))
            self.senders.append(str(envelope.mail_from))
            self.recipients += envelope.rcpt_tos
        return _said(server, answer)


def _said(server: Any, answer: str) -> str:
    if answer == "break":
        server.transport.abort()
    return answer


class _Server(SMTP):
    """Misbehave where handlers cannot."""

    def connection_made(self, transport: Any) -> None:
        self.event_handler.connections += 1
        self.event_handler.callers.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.event_handler.callers.discard(self)
        super().connection_lost(error)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802 - aiosmtpd's name
        answer = self.event_handler.answer("DATA")
        if answer is None:
            await super().smtp_DATA(arg)
        elif answer == "break":
            self.transport.abort()
        elif answer == "break within":
            await self.push("354 Go on")
            self.transport.abort()
        else:
            await self.push(answer)


class _Controller(Controller):
    def __init__(self, post: Post, *, starttls: bool, is_tls: bool, wants_login: bool) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        self._options: dict[str, Any] = {"hostname": "localhost"}
        if starttls:
            self._options |= {"tls_context": context, "require_starttls": True}
        if wants_login:
            self._options |= {"authenticator": _authenticated, "auth_required": starttls, "auth_require_tls": starttls}
        super().__init__(
            post, hostname="127.0.0.1", port=free_port(), ready_timeout=60, ssl_context=context if is_tls else None
        )

    def factory(self) -> SMTP:
        return _Server(self.handler, **self._options)


def _authenticated(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    wanted = LoginPassword(USER.encode(), PASSWORD.encode())
    return AuthResult(success=data == wanted, handled=False)


@contextmanager
def mail_server(
    post: Post, *, starttls: bool = False, is_tls: bool = False, wants_login: bool = False
) -> Iterator[SmtpServer]:
    """Run a server, and say how to reach it."""
    controller = _Controller(post, starttls=starttls, is_tls=is_tls, wants_login=wants_login)
    controller.start()
    post.connections = 0  # the controller knocks itself, to see whether it is there
    try:
        yield SmtpServer(
            host="127.0.0.1",
            port=controller.port,
            user=USER if wants_login else "",
            password=PASSWORD if wants_login else "",
            is_tls=is_tls,
            starttls=starttls,
            verify=True,
        )
    finally:
        asyncio.run_coroutine_threadsafe(_hang_up(post), controller.loop).result(60)
        controller.stop()


async def _hang_up(post: Post) -> None:
    """End what is open: the loop would leave sockets behind, and Python complains of those."""
    for caller in list(post.callers):
        if caller.transport is not None:
            caller.transport.abort()
    for _ in range(3_000):
        await asyncio.sleep(0.01)
        if not post.callers:
            return


def trusting() -> ssl.SSLContext:
    """Trust the server's certificate."""
    return ssl.create_default_context(cafile=str(CERTIFICATE))
