"""Where mail goes out and in whose name: how the settings spell it."""

from __future__ import annotations

from dataclasses import dataclass, field
from email.errors import MessageError
from email.headerregistry import Address
from email.utils import parseaddr
from urllib.parse import parse_qsl, unquote, urlsplit

_PORTS = {"smtp": 587, "smtps": 465}
_OPTIONS = {"starttls": ("required", "no"), "verify": ("yes", "no")}
"""What may stand behind the `?`; the first of each is the default."""

SHAPE = "must look like smtp://user:password@mail.example:587 or smtps://mail.example"

SENDER_SHAPE = "must look like fairdeal@example.com or Fairdeal <fairdeal@example.com>"
PUBLIC_SHAPE = "must look like https://fairdeal.example.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpServer:
    """A mail server. `is_tls`: encrypted from the first byte; `starttls`: from the greeting on."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    is_tls: bool
    starttls: bool
    verify: bool


def parse_smtp_url(url: str) -> SmtpServer:
    """Read a server from a URL. Raises `ValueError`, which never repeats the URL: there may be a password in it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(SHAPE) from None
    if parts.scheme not in _PORTS or not parts.hostname or parts.path not in {"", "/"} or parts.fragment:
        raise ValueError(SHAPE)
    if bool(parts.username) != bool(parts.password):
        raise ValueError("must name both a user and a password, or neither; write '@', ':' and '/' as %40, %3A, %2F")
    options = _options(parts.query)
    is_tls = parts.scheme == "smtps"
    return SmtpServer(
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        is_tls=is_tls,
        starttls=not is_tls and options["starttls"] == "required",
        verify=options["verify"] == "yes",
    )


def _options(query: str) -> dict[str, str]:
    given = dict(parse_qsl(query, keep_blank_values=True))
    for name, value in given.items():
        if value not in _OPTIONS.get(name, ()):
            raise ValueError("may end in ?starttls=required or no, and verify=yes or no")
    return {name: given.get(name, values[0]) for name, values in _OPTIONS.items()}


def parse_sender(text: str) -> Address:
    """Read a sender: an address, or a name with an address in angle brackets. Raises `ValueError`."""
    name, address = parseaddr(text)
    try:
        sender = parse_address(address, name=name)
    except ValueError:
        raise ValueError(SENDER_SHAPE) from None
    if not text.isprintable():
        raise ValueError(SENDER_SHAPE)
    return sender


def parse_address(text: str, *, name: str = "") -> Address:
    """Read one address that can stand in an envelope and in a header. Raises `ValueError` for any other text.

    A domain beyond ASCII is written as the network knows it; a mailbox beyond ASCII is none that every server takes.
    """
    mailbox, _, domain = text.rpartition("@")
    try:
        domain = domain if domain.isascii() else domain.encode("idna").decode()
        address = Address(name, addr_spec=f"{mailbox}@{domain}")
    except (ValueError, IndexError, AttributeError, MessageError) as exc:
        raise ValueError("must be an email address") from exc
    plain = address.addr_spec
    if not address.username or not address.domain or not plain.isascii() or not plain.isprintable() or " " in plain:
        raise ValueError("must be an email address in plain letters")
    return address


def parse_public_url(text: str) -> str:
    """Read where people find the service. Raises `ValueError` for what is no http or https address."""
    try:
        parts = urlsplit(text)
        is_good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise ValueError(PUBLIC_SHAPE) from None
    has_more = parts.query or parts.fragment or parts.username is not None
    if not is_good or has_more or not text.isprintable() or " " in text:
        raise ValueError(PUBLIC_SHAPE)
    return text.rstrip("/")
