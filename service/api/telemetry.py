"""Around every request: an id, one log event, metrics, and the headers that every answer carries."""

from __future__ import annotations

import logging
import re
import time
from typing import cast
from uuid import uuid4

from flask import Flask, Response, current_app, g, request

from service.observability import HttpMetrics, request_id

logger = logging.getLogger(__name__)

EXTENSION = "fairdeal.metrics"

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Methods named in logs and metrics; a client may make up others without end."""

_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")

GUARDS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""What every answer tells browsers. Nothing allows other origins (CORS): scripts of other sites read nothing here."""

HTTPS_ALONE = "max-age=31536000"
"""For a year, browsers that came by https come by nothing else."""

NO_PAGE = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
"""The content policy of what is no page. A view that answers with a page sets its own."""


def begin() -> None:
    """Start the clock and name the request: by the client's X-Request-ID where that is sane, else by a new one."""
    g.began = time.perf_counter()
    given = request.headers.get("X-Request-ID", "")
    g.request_id = given if _SANE_ID.fullmatch(given) else uuid4().hex
    request_id.set(g.request_id)


def finish(response: Response) -> Response:
    """Log and measure the request, and complete its answer."""
    _complete(response)
    route = request.url_rule.rule if request.url_rule else "unmatched"
    seconds = time.perf_counter() - g.began
    principal = g.get("principal")
    method = request.method if request.method in _METHODS else "other"
    metrics().observe(method=method, route=route, status=response.status_code, seconds=seconds)
    logger.info(
        "request",
        extra={
            "method": method,
            "route": route,
            "status": response.status_code,
            "duration_ms": round(seconds * 1000, 2),
            "user_id": principal.user_id if principal else None,
        },
    )
    return response


def _complete(response: Response) -> None:
    headers = response.headers
    headers["X-Request-ID"] = g.request_id
    headers.update(GUARDS)
    headers.setdefault("Content-Security-Policy", NO_PAGE)
    if request.is_secure:
        headers["Strict-Transport-Security"] = HTTPS_ALONE
    if request.path.startswith("/api"):
        headers["Cache-Control"] = "no-store"


def metrics() -> HttpMetrics:
    """Fetch the metrics of the app that serves the present request."""
    return cast("HttpMetrics", current_app.extensions[EXTENSION])


def forget(_: BaseException | None) -> None:
    """Leave no request id behind on the thread."""
    request_id.set(None)


def install(app: Flask) -> None:
    """Put the hooks round every request of the app."""
    app.extensions[EXTENSION] = HttpMetrics()
    app.before_request(begin)
    app.after_request(finish)
    app.teardown_request(forget)
