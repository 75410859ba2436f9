"""Around every request: an id, one log event, metrics, and the headers that every answer carries."""

from __future__ import annotations

import logging
import re
import time
from random import getrandbits
from typing import cast

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

NO_STORE = "no-store"
"""What the API answers is of that moment."""

HEADERS_OF_API = (("Content-Security-Policy", NO_PAGE), ("Cache-Control", NO_STORE))
"""What answers of the API carry beside that."""

BEGAN = "fairdeal.began"
"""The key, in the WSGI environment, of when the request began, where Flask was not the first to look at it."""


def name_request(given: str | None) -> str:
    """Name the request that is being served: by the client's X-Request-ID where that is sane, else by a new one."""
    name = given if given and _SANE_ID.fullmatch(given) else f"{getrandbits(128):032x}"  # no secret; asks no kernel
    request_id.set(name)
    return name


def begin() -> None:
    """Start the clock and name the request."""
    asked, known = request._get_current_object(), g._get_current_object()  # type: ignore[attr-defined]
    known.began = asked.environ.get(BEGAN) or time.perf_counter()
    known.request_id = name_request(asked.headers.get("X-Request-ID"))


def finish(response: Response) -> Response:
    """Log and measure the request, and complete its answer."""
    asked, known = request._get_current_object(), g._get_current_object()  # type: ignore[attr-defined]
    _complete(response, path=asked.path, name=known.request_id, is_secure=asked.is_secure)
    principal = known.get("principal")
    tell(
        metrics(),
        method=asked.method if asked.method in _METHODS else "other",
        route=asked.url_rule.rule if asked.url_rule else "unmatched",
        status=response.status_code,
        seconds=time.perf_counter() - known.began,
        user_id=principal.user_id if principal else None,
        **known.get("logged_too", {}),
    )
    return response


def tell(
    meters: HttpMetrics, *, method: str, route: str, status: int, seconds: float, user_id: int | None, **more: object
) -> None:
    """Measure a request and write its one log event; `more` are fields of that."""
    meters.observe(method=method, route=route, status=status, seconds=seconds)
    about = {"method": method, "route": route, "status": status, "duration_ms": round(seconds * 1000, 2)}
    logger.info("request", extra={**about, "user_id": user_id, **more})


def common_headers(name: str, *, is_secure: bool) -> list[tuple[str, str]]:
    """List the headers that every answer carries: to the request of this name, which came by https if `is_secure`."""
    headers = [("X-Request-ID", name), *GUARDS.items()]
    return [*headers, ("Strict-Transport-Security", HTTPS_ALONE)] if is_secure else headers


def _complete(response: Response, *, path: str, name: str, is_secure: bool) -> None:
    headers = response.headers
    # Not set: that looks through all headers for each, and nobody else writes these.
    headers.extend(common_headers(name, is_secure=is_secure))
    headers.setdefault("Content-Security-Policy", NO_PAGE)
    if path.startswith("/api"):
        headers["Cache-Control"] = NO_STORE


def log_too(**fields: object) -> None:
    """Have the request's own log event tell this as well: a second event for each request is dear."""
    g.logged_too = fields


def metrics() -> HttpMetrics:
    """Fetch the metrics of the app that serves the present request."""
    return metrics_of(current_app)


def metrics_of(app: Flask) -> HttpMetrics:
    """Fetch the metrics of an app."""
    return cast("HttpMetrics", app.extensions[EXTENSION])


def forget(_: BaseException | None) -> None:
    """Leave no request id behind on the thread."""
    request_id.set(None)


def install(app: Flask) -> None:
    """Put the hooks round every request of the app."""
    app.extensions[EXTENSION] = HttpMetrics()
    app.before_request(begin)
    app.after_request(finish)
    app.teardown_request(forget)
