"""The fast path: a plain fetch is answered below Flask.

Most requests there are, are agents' polls: `POST /api/tickets/fetch` without a body, a query or a key. What Flask does
for any request costs as much as all that such a poll asks of us (docs/adr/0044). So those are answered here, by the
same use cases; whatever is unusual about one, and every refusal, is Flask's to answer. A test holds the two together.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from flask import Flask, g, request

from service.api import telemetry
from service.api.encoding import JSON, dumps
from service.api.schemas.moves import SERVED_BY_HEADER, hand_json
from service.api.services import EXTENSION, Services
from service.api.tokens import EXTENSION as TOKENS
from service.api.tokens import Tokens
from service.domain.model import Principal, Role
from service.observability import request_id
from service.usecases.assignments import Hand

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

METHOD, PATH = "POST", "/api/tickets/fetch"
SCHEME = "Bearer "

UNUSUAL = ("QUERY_STRING", "HTTP_IDEMPOTENCY_KEY", "HTTP_TRANSFER_ENCODING")
"""What a plain fetch comes without, beside a body."""

FAILURE = "fairdeal.failure"
"""The key, in the WSGI environment, of what went wrong here."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What a fetch came to that could not be answered here, and who had asked, as far as that was known."""

    error: Exception
    principal: Principal | None


class FastPath:
    """The WSGI application in front of Flask's."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._flask: WSGIApplication = app.wsgi_app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a plain fetch by an agent who is signed in; have Flask answer anything else."""
        extensions = self._app.extensions
        claims = cast("Tokens", extensions[TOKENS]).remembered(_bearer(environ)) if _is_plain(environ) else None
        if claims is None or claims.kind != "access":
            return self._flask(environ, start_response)
        began, name = time.perf_counter(), telemetry.name_request(environ.get("HTTP_X_REQUEST_ID"))
        services, principal = cast("Services", extensions[EXTENSION]), None
        try:
            ahead = services.assignments.fetch_ahead(claims.session_id)
            if ahead.hand is not None:
                return self._answer(environ, start_response, ahead.hand, ahead.agent_id, name, began)
            principal, seen = services.sessions.principal_and_hand(claims.session_id)
            if principal.role is Role.AGENT and seen is not None:
                hand = services.assignments.fetch_seen(claims.session_id, seen, ahead)
                return self._answer(environ, start_response, hand, principal.user_id, name, began)
        except Exception as exc:  # noqa: BLE001 - Flask's handlers tell refusals from defects
            environ |= {FAILURE: Failure(exc, principal), telemetry.BEGAN: began, "HTTP_X_REQUEST_ID": name}
        finally:
            request_id.set(None)
        return self._flask(environ, start_response)

    def _answer(
        self,
        environ: WSGIEnvironment,
        start_response: StartResponse,
        hand: Hand,
        agent_id: int | None,
        name: str,
        began: float,
    ) -> Iterable[bytes]:
        body, metrics = dumps(hand_json(hand)), telemetry.metrics_of(self._app)
        metrics.count_fetch(served_by=hand.served_by, assigned=hand.assigned_now)
        telemetry.tell(
            metrics, method=METHOD, route=PATH, status=200, seconds=time.perf_counter() - began,
            user_id=agent_id, assigned=hand.assigned_now, served_by=hand.served_by,
        )  # fmt: skip
        headers = [
            ("Content-Type", JSON),
            ("Content-Length", str(len(body))),
            (SERVED_BY_HEADER, hand.served_by),
            *telemetry.common_headers(name, is_secure=environ["wsgi.url_scheme"] == "https"),
            *telemetry.HEADERS_OF_API,
        ]
        start_response("200 OK", headers)
        return [body]


def _is_plain(environ: WSGIEnvironment) -> bool:
    return (
        environ["PATH_INFO"] == PATH
        and environ["REQUEST_METHOD"] == METHOD
        and environ.get("CONTENT_LENGTH", "") in {"", "0"}
        and not any(environ.get(name) for name in UNUSUAL)
    )


def _bearer(environ: WSGIEnvironment) -> str:
    header: str = environ.get("HTTP_AUTHORIZATION", "")
    return header.removeprefix(SCHEME) if header.startswith(SCHEME) else ""


def _raise_failure() -> None:
    failure: Failure | None = request.environ.get(FAILURE)
    if failure is not None:
        g.principal = failure.principal
        raise failure.error


def install(app: Flask) -> None:
    """Put the fast path in front of the app; what it cannot answer goes on from where it has come to."""
    app.wsgi_app = FastPath(app)  # type: ignore[method-assign]
    app.before_request(_raise_failure)
