"""Letters handed to a mail server, several over one connection.

What matters is to know, of every failure, whether the letter can have been accepted. RFC 5321 leaves one moment in
doubt: from the dot that ends the message to the server's answer. A failure before is certain, so is a refusal after.
"""

from __future__ import annotations

import re
import select
import smtplib
import socket
import ssl
from collections.abc import Callable

from service.domain.mail_rules import SmtpServer
from service.usecases.ports.mails import (
    CarrierUnavailable,
    Letter,
    NotSent,
    OutcomeUnknown,
    RefusedForGood,
    RefusedForNow,
)

CONNECT_S = 10.0
COMMAND_S = 20.0
REPLY_S = 120.0
"""Servers may look at a message for long before they accept it; RFC 5321 asks for ten minutes, a job has ten in all."""
QUIT_S = 3.0

MOST_LETTERS = 100
"""Letters sent over one connection; servers put a limit to it."""

READY = 354
CLOSING = 421
LONGEST_REASON = 300

_TROUBLE = (smtplib.SMTPException, OSError)


class SmtpCarrier:
    """Send letters by SMTP. The connection is made when it is needed, and used again."""

    def __init__(
        self,
        server: SmtpServer,
        *,
        tls: ssl.SSLContext | None = None,
        connect_s: float = CONNECT_S,
        command_s: float = COMMAND_S,
        reply_s: float = REPLY_S,
        most_letters: int = MOST_LETTERS,
    ) -> None:
        """Prepare for one server; nothing is connected yet. `tls` replaces the context made from the settings."""
        self._server = server
        self._tls = tls
        self._connect_s = connect_s
        self._command_s = command_s
        self._reply_s = reply_s
        self._most_letters = most_letters
        self._smtp: smtplib.SMTP | None = None
        self._sent = 0

    def send(self, letter: Letter, *, hand_over: Callable[[], None]) -> None:
        """Send over the open connection, or a new one. Raises the four kinds of `NotSent`."""
        try:
            smtp = self._ready_for(letter)
            hand_over()
            self._send_message(smtp, letter.content)
        except NotSent as exc:
            self._recover(exc)
            raise
        except BaseException:
            self._drop()
            raise
        self._sent += 1
        if self._sent >= self._most_letters:
            self.close()

    def where(self) -> str:
        """Name the server."""
        return f"{'smtps' if self._server.is_tls else 'smtp'}://{self._server.host}:{self._server.port}"

    def close(self) -> None:
        """Take leave of the server, without insisting."""
        if self._smtp is not None:
            try:
                _limit(self._smtp, QUIT_S)
                self._smtp.quit()
            except _TROUBLE:
                pass
            self._drop()

    def _drop(self) -> None:
        """Close the connection without a word."""
        if self._smtp is not None:
            self._smtp.close()
        self._smtp, self._sent = None, 0

    def _recover(self, failure: NotSent) -> None:
        """Leave a connection on which another letter can begin, or none."""
        if self._smtp is None or isinstance(failure, CarrierUnavailable | OutcomeUnknown):
            self._drop()
            return
        try:
            code, _ = self._smtp.docmd("RSET")
        except _TROUBLE:
            code = CLOSING
        if code // 100 != 2:
            self._drop()

    def _ready_for(self, letter: Letter) -> smtplib.SMTP:
        """Agree on the envelope; a connection that was kept and has gone stale is replaced by a new one."""
        if self._smtp is not None:
            try:
                self._agree(self._smtp, letter)
            except CarrierUnavailable:
                self._drop()
            else:
                return self._smtp
        smtp = self._open()
        self._agree(smtp, letter)
        return smtp

    def _open(self) -> smtplib.SMTP:
        try:
            self._smtp = self._connected()
            _limit(self._smtp, self._command_s)
            self._introduce(self._smtp)
        except smtplib.SMTPResponseException as exc:
            raise CarrierUnavailable(f"{self.where()} will not serve: {_words(exc.smtp_code, exc.smtp_error)}") from exc
        except _TROUBLE as exc:
            raise CarrierUnavailable(f"{self.where()} cannot be used: {_why(exc)}") from exc
        return self._smtp

    def _connected(self) -> smtplib.SMTP:
        server, name = self._server, _own_name()
        if server.is_tls:
            return smtplib.SMTP_SSL(
                server.host, server.port, local_hostname=name, timeout=self._connect_s, context=self._context()
            )
        return smtplib.SMTP(server.host, server.port, local_hostname=name, timeout=self._connect_s)

    def _introduce(self, smtp: smtplib.SMTP) -> None:
        smtp.ehlo_or_helo_if_needed()
        if self._server.starttls:
            if not smtp.has_extn("starttls"):
                raise smtplib.SMTPNotSupportedError("it offers no STARTTLS; ?starttls=no does without")
            smtp.starttls(context=self._context())
            smtp.ehlo_or_helo_if_needed()
        if self._server.user:
            smtp.login(self._server.user, self._server.password)

    def _context(self) -> ssl.SSLContext:
        if self._tls is not None:
            return self._tls
        context = ssl.create_default_context()
        if not self._server.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    @staticmethod
    def _agree(smtp: smtplib.SMTP, letter: Letter) -> None:
        """Say from whom and for whom the letter is; that alone sends nothing."""
        try:
            for command, argument in (("MAIL", f"FROM:<{letter.sender}>"), ("RCPT", f"TO:<{letter.recipient}>")):
                code, reply = smtp.docmd(command, argument)
                if code // 100 != 2:
                    raise _refusal(code, reply)
        except _TROUBLE as exc:
            raise CarrierUnavailable(f"The connection broke before the message: {_why(exc)}") from exc

    def _send_message(self, smtp: smtplib.SMTP, content: bytes) -> None:
        try:
            code, reply = smtp.docmd("DATA")
            if code != READY:
                raise _refusal(code, reply)
            smtp.send(_stuffed(content))
            _check_listening(smtp)
        except _TROUBLE as exc:
            self._drop()
            raise RefusedForNow(f"The connection broke before the message was complete: {_why(exc)}") from exc
        self._finish(smtp)

    def _finish(self, smtp: smtplib.SMTP) -> None:
        """End the message and hear what the server says to it. From here on a silence leaves the outcome unknown."""
        try:
            _limit(smtp, self._reply_s)
            smtp.send(b".\r\n")
            code, reply = smtp.getreply()
            _limit(smtp, self._command_s)
        except _TROUBLE as exc:
            raise OutcomeUnknown(f"The server fell silent after the message was complete: {_why(exc)}") from exc
        if code // 100 == 2:
            return
        if code // 100 in {4, 5}:
            raise _refusal(code, reply)
        raise OutcomeUnknown(f"The server's answer to the message makes no sense: {_words(code, reply)}")


def _refusal(code: int, reply: bytes) -> NotSent:
    said = f"The server said: {_words(code, reply)}"
    if code // 100 == 5:
        return RefusedForGood(said)
    return RefusedForNow(said) if code // 100 == 4 and code != CLOSING else CarrierUnavailable(said)


def _check_listening(smtp: smtplib.SMTP) -> None:
    """Raise `OSError` if the server has ended the connection already: then it never heard the end of the message.

    Only without TLS can this be seen without reading.
    """
    sock = smtp.sock
    if not isinstance(sock, socket.socket) or isinstance(sock, ssl.SSLSocket):
        return
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    if poll.poll(0) and sock.recv(1, socket.MSG_PEEK) == b"":
        raise ConnectionResetError("the server ended the connection")


def _stuffed(content: bytes) -> bytes:
    """Double the dots at the beginnings of lines, and end in a line's end (RFC 5321, 4.5.2)."""
    lines = re.sub(rb"\r\n|\r|\n", b"\r\n", content)
    stuffed = re.sub(rb"(?m)^\.", b"..", lines)
    return stuffed if stuffed.endswith(b"\r\n") else stuffed + b"\r\n"


def _limit(smtp: smtplib.SMTP, seconds: float) -> None:
    if isinstance(smtp.sock, socket.socket):
        smtp.sock.settimeout(seconds)


def _own_name() -> str:
    """Introduce ourselves without asking the DNS, which may be slow: by name where it is a full one."""
    name = socket.gethostname()
    return name if "." in name and name.isascii() else "[127.0.0.1]"


def _words(code: int, reply: bytes | str) -> str:
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
    return f"{code} {' '.join(text.split())}"[:LONGEST_REASON]


def _why(exc: Exception) -> str:
    return f"{type(exc).__name__}: {exc}"[:LONGEST_REASON]
