"""Messages to receivers by HTTP: see `service.usecases.ports.webhooks.Courier`.

The standard library's client, on a socket of our own: the name is looked up once, every address it leads to is judged,
and the connection is made to one of these very addresses, so that a name cannot lead elsewhere the second time
(DNS rebinding). Proxies that the environment names are not asked, redirects not followed.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from functools import cached_property
from ipaddress import ip_address

import orjson

from service.domain.errors import InvalidInput
from service.domain.webhook_targets import PORTS, Address, Allowed, Target, parse_target
from service.domain.webhooks import Outcome

MAX_ANSWER_BYTES = 65_536
"""What is read of an answer, for the receiver to be able to end it; none of it is kept."""

MAX_ADDRESSES = 4
"""Addresses of one name that are tried."""

MAX_ERROR = 300
"""Characters kept of an error."""

LEAST_WAIT_S = 0.01
"""What is waited for at the least: 0 would mean not to wait, or for ever."""

Resolve = Callable[[str, int], Sequence[str]]


class _Failed(Exception):
    """Say why a message could not be sent."""


def system_resolver(host: str, port: int) -> Sequence[str]:
    """Ask the system for a host's addresses. Raises `OSError`."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def write_json(value: Mapping[str, object]) -> bytes:
    """Write a message: moments in RFC 3339, in UTC."""
    return orjson.dumps(value, option=orjson.OPT_UTC_Z)


class HttpCourier:
    """Post to receivers, each within `timeout_s` from the look-up of its name to its answer."""

    def __init__(
        self,
        *,
        allowed: Allowed,
        timeout_s: float,
        resolve: Resolve = system_resolver,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allowed = allowed
        self._timeout_s = timeout_s
        self._resolve = resolve
        self._tls = tls

    def check(self, url: str) -> None:
        """Look the host up and judge every address."""
        try:
            self._addresses(parse_target(url), self._timeout_s)
        except (ValueError, _Failed) as exc:
            raise InvalidInput(("url", str(exc))) from exc

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Post to an address that was judged just now."""
        began = time.monotonic()
        deadline = began + self._timeout_s
        status: int | None = None
        error: str | None = None
        try:
            status = self._post(parse_target(url), headers, body, deadline)
            error = None if 200 <= status < 300 else _meaning(status)
        except (ValueError, _Failed, http.client.HTTPException, OSError) as exc:
            is_late = time.monotonic() >= deadline - LEAST_WAIT_S
            error = f"no answer within {self._timeout_s:g} s" if is_late else _wording(exc)
        return Outcome(status=status, error=error, duration_ms=round((time.monotonic() - began) * 1000))

    def _post(self, target: Target, headers: Mapping[str, str], body: bytes, deadline: float) -> int:
        addresses = self._addresses(target, _left(deadline))
        with contextlib.closing(_connected(target, addresses, deadline)) as raw, _shut_at(raw, deadline):
            connection = http.client.HTTPConnection(target.host, target.port)
            connection.default_port = PORTS[target.scheme]  # left out of the Host header
            connection.sock = self._secured(raw, target)
            with contextlib.closing(connection):
                connection.request("POST", target.path, body=body, headers=dict(headers))
                response = connection.getresponse()
                with contextlib.suppress(http.client.HTTPException, OSError):
                    response.read(MAX_ANSWER_BYTES)
                return response.status

    def _secured(self, raw: socket.socket, target: Target) -> socket.socket:
        if target.scheme == "http":
            return raw
        return self._trusting.wrap_socket(raw, server_hostname=target.host)

    @cached_property
    def _trusting(self) -> ssl.SSLContext:
        """Read the authorities that the system trusts, once: there are hundreds."""
        return self._tls or ssl.create_default_context()

    def _addresses(self, target: Target, patience_s: float) -> Sequence[Address]:
        """Look the host up; one address that is not allowed spoils them all. Raises `_Failed`."""
        found = [ip_address(each.partition("%")[0]) for each in self._looked_up(target, patience_s)]
        for address in found:
            if not self._allowed.admits(target.host, address):
                raise _Failed(f"leads to {address}, which is not a public address; WEBHOOK_ALLOW may allow it")
        return found[:MAX_ADDRESSES]

    def _looked_up(self, target: Target, patience_s: float) -> Sequence[str]:
        """Look the host up in a thread of its own: the system's resolver cannot be told how long it may take."""
        answer: Future[Sequence[str]] = Future()

        def look() -> None:
            try:
                answer.set_result(self._resolve(target.host, target.port))
            except (OSError, UnicodeError) as exc:
                answer.set_exception(exc)

        threading.Thread(target=look, name="resolver", daemon=True).start()
        try:
            found = answer.result(timeout=patience_s)
        except (OSError, UnicodeError, TooLate) as exc:
            raise _Failed(f"leads nowhere: the name {target.host} was not found") from exc
        if not found:
            raise _Failed(f"leads nowhere: the name {target.host} has no address")
        return found


def _connected(target: Target, addresses: Sequence[Address], deadline: float) -> socket.socket:
    """Connect to the first address that answers; each is given an equal part of the time. Raises `OSError`."""
    for place, address in enumerate(addresses, start=1):
        part_s = _left(deadline) / (len(addresses) - place + 1)
        try:
            made = socket.create_connection((str(address), target.port), timeout=part_s)
        except OSError:
            if place == len(addresses):
                raise
        else:
            made.settimeout(_left(deadline))
            return made
    raise _Failed("no address to connect to")


@contextlib.contextmanager
def _shut_at(connected: socket.socket, deadline: float) -> Iterator[None]:
    """Shut the connection down when the time is up, however slowly the other side goes on talking.

    By a second descriptor of the same connection: the first may be wrapped in TLS, and closed, in the meantime.
    """
    with socket.socket(fileno=os.dup(connected.fileno())) as ours:

        def shut() -> None:
            with contextlib.suppress(OSError):
                ours.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(_left(deadline), shut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()


def _left(deadline: float) -> float:
    return max(LEAST_WAIT_S, deadline - time.monotonic())


def _meaning(status: int) -> str:
    if 300 <= status < 400:
        return f"answered {status}: redirects are not followed"
    return f"answered {status}"


def _wording(exc: Exception) -> str:
    if isinstance(exc, _Failed | ValueError) and not isinstance(exc, OSError):
        return f"the URL {exc}"[:MAX_ERROR]
    reason = getattr(exc, "verify_message", None) or getattr(exc, "strerror", None) or exc
    return f"{type(exc).__name__}: {reason}"[:MAX_ERROR]
