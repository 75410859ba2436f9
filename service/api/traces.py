"""A span around every request, where traces are kept: by its method and route, with status and request id."""

from __future__ import annotations

from flask import Flask, Response, g, request

from service.api.schemas.moves import SERVED_BY_HEADER
from service.tracing import Tracer

_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked for all day by machines; traces of them would bury those of people."""


def install(app: Flask, tracer: Tracer) -> None:
    """Put the hooks round every request of the app; the first to begin and the last to end."""

    def begin() -> None:
        rule = request.url_rule.rule if request.url_rule else "unmatched"
        if rule in _QUIET:
            return
        about = {"http.request.method": request.method, "http.route": rule, "url.path": request.path}
        g.span = tracer.root(f"{request.method} {rule}", about, parent=dict(request.headers))

    def finish(response: Response) -> Response:
        g.answered = {
            "http.response.status_code": response.status_code,
            "fairdeal.request_id": g.get("request_id", ""),
            "fairdeal.served_by": response.headers.get(SERVED_BY_HEADER, ""),
        }
        return response

    def end(failure: BaseException | None) -> None:
        span = g.pop("span", None)
        if span is not None:
            about = g.get("answered", {})
            broken = about.get("http.response.status_code", 500) >= 500
            span.end(about, error=type(failure).__name__ if failure else "server_error" if broken else None)

    app.before_request(begin)
    app.after_request(finish)
    app.teardown_request(end)
