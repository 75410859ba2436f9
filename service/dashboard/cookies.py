"""Signed in by cookies: read on the page's own routes alone, renewed silently, never sent to the API.

The cookies' path is the page's, so that browsers keep them from `/api`, which would not look at them either.
"""

from __future__ import annotations

import secrets
from typing import Any, cast
from uuid import UUID

from flask import Response, g, request

from service.api.services import services
from service.api.tokens import tokens
from service.domain.errors import NotSignedIn
from service.usecases.devices import LIFE_S
from service.usecases.ports.sessions import SessionTokensData

PREFIX = "/app"
ACCESS = "fairdeal_access"
REFRESH = "fairdeal_refresh"
VISIT = "fairdeal_visit"
"""Names a browser that has not signed in, so that its sign-in form can be told from a stranger's."""
DEVICE = "fairdeal_device"
"""Knows a browser again that somebody has signed in with, so that no stranger's guesses keep them waiting there."""

DAY_S = 86_400


def session_of_cookies() -> UUID:
    """Name the session that the cookies speak for; an access token that has run out is renewed on the way.

    Raises `NotSignedIn`, its `reason` "missing" where nobody has signed in.
    """
    encoded = request.cookies.get(ACCESS)
    if encoded:
        try:
            return tokens().read(encoded, kind="access").session_id
        except NotSignedIn:
            pass  # run out, most likely: the refresh token decides
    return _renewed(request.cookies.get(REFRESH))


def _renewed(encoded: str | None) -> UUID:
    """Exchange the refresh token; the answer to this request brings the new pair."""
    if not encoded:
        raise NotSignedIn("Sign in to see this page.", reason="missing")
    claims = tokens().read(encoded, kind="refresh")
    keep_signed_in(services().sessions.refresh(claims.session_id, claims.jti))
    return claims.session_id


def keep_signed_in(data: SessionTokensData) -> None:
    """Have the answer to this request set the cookies of a session."""
    g.issued = tokens().issue(data)


def visit() -> str:
    """Name this browser before it signs in; the answer sets the cookie if it has none."""
    known = request.cookies.get(VISIT) or g.get("visit")
    if not known:
        known = g.visit = secrets.token_urlsafe(16)
    return cast("str", known)


def keep_device(username: str) -> None:
    """Have the answer to this request mark the browser as one that this account has been signed in with."""
    g.device = services().sessions.device_mark(username)


def set_cookies(response: Response) -> Response:
    """Set what this request has changed."""
    issued: dict[str, Any] | None = g.get("issued")
    if issued is not None:
        lasts_s = services().settings.refresh_token_days * DAY_S
        set_cookie(response, ACCESS, issued["access"], max_age=lasts_s)
        set_cookie(response, REFRESH, issued["refresh"], max_age=lasts_s)
    if "device" in g:
        set_cookie(response, DEVICE, g.device, max_age=LIFE_S)
    if "visit" in g:
        set_cookie(response, VISIT, g.visit)
    return response


def set_cookie(response: Response, name: str, value: str, *, max_age: int | None = None) -> None:
    """Set a cookie that no script can read and no other site's form can send."""
    is_secure = services().settings.secure_cookies == "always" or request.is_secure
    response.set_cookie(name, value, max_age=max_age, path=PREFIX, secure=is_secure, httponly=True, samesite="Lax")


def forget(response: Response, *names: str) -> None:
    """Remove cookies."""
    for name in names:
        response.delete_cookie(name, path=PREFIX, httponly=True, samesite="Lax")
