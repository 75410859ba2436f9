"""Answers in HTML: pages, parts of pages for htmx, redirects after posts, and 304 where nothing has changed."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import urlsplit

from flask import Response, g, redirect, render_template, request, url_for

from service.dashboard import notices

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""Nothing inline, nothing from elsewhere: a text that got into a page as markup could still do nothing."""


def page(template: str, *, status: int = 200, etag: str | None = None, **values: Any) -> Response:
    """Answer with a page; for htmx with its main part alone. The `etag` is what the next look may present."""
    values["etag"] = etag
    values["said"] = notices.take()
    body = render_template(template, layout="bare.html" if is_htmx() else "layout.html", **values)
    return html(body, status=status, etag=etag)


def html(body: str, *, status: int = 200, etag: str | None = None) -> Response:
    """Answer with HTML that is nobody else's to keep."""
    response = Response(body, status=status, mimetype="text/html")
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Cache-Control"] = "no-store"
    if etag is not None:
        response.headers["ETag"] = f'"{etag}"'
    return response


def tag(*parts: object) -> str:
    """Make an ETag of all that a page depends on; who looks is added."""
    principal = g.get("principal")
    seen = (principal.session_id if principal else None, *parts)
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:32]


def is_unchanged(etag: str) -> bool:
    """Say whether the browser already shows this, and nothing new is to be said."""
    return request.headers.get("If-None-Match") == f'"{etag}"' and notices.COOKIE not in request.cookies


def unchanged(etag: str) -> Response:
    """Answer 304."""
    return Response(status=304, headers={"ETag": f'"{etag}"', "Cache-Control": "no-store"})


def is_htmx() -> bool:
    """Say whether htmx asks, which takes a part of a page."""
    return request.headers.get("HX-Request") == "true"


def go(address: str) -> Response:
    """Lead to a page after a post. htmx stays where that is the page it shows, and loads any other as a whole."""
    shown = urlsplit(request.headers.get("HX-Current-URL", "")).path
    if is_htmx() and urlsplit(address).path != shown:
        response = html("")
        response.headers["HX-Redirect"] = address
        return response
    answer = redirect(address, 303)
    return Response(status=answer.status_code, headers={"Location": address, "Cache-Control": "no-store"})


def go_to(endpoint: str, **values: Any) -> Response:
    """Lead to a view after a post."""
    return go(url_for(endpoint, **values))
