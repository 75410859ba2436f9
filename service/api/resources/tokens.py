"""Signing in and out."""

from __future__ import annotations

from flask import Response, request

from service.api import answers
from service.api.access import anonymous
from service.api.openapi import outcomes, resource
from service.api.schemas.sessions import LoginInput, RefreshInput, TokensAnswer
from service.api.services import services
from service.api.tokens import bearer, presented_session
from service.api.tokens import tokens as signed
from service.domain.errors import NotSignedIn, PasswordsBusy, TooManyTries, WrongCredentials

tokens = resource("tokens", "/api/token", tag="Session", about="Signing in and out")


@tokens.post("", responses=outcomes(200, TokensAnswer, WrongCredentials, TooManyTries, PasswordsBusy))
@anonymous
def sign_in(body: LoginInput) -> Response:
    """Sign in."""
    opened = services().sessions.login(body.username, body.password, address=request.remote_addr)
    return answers.answer(signed().issue(opened))


@tokens.post("/refresh", responses=outcomes(200, TokensAnswer, NotSignedIn))
@anonymous
def refresh_tokens(body: RefreshInput) -> Response:
    """Exchange a refresh token for a new pair; it is good for one exchange."""
    claims = signed().read(body.refresh or bearer(), kind="refresh")
    return answers.answer(signed().issue(services().sessions.refresh(claims.session_id, claims.jti)))


@tokens.post("/revoke", responses=outcomes(204, None, NotSignedIn))
@anonymous
def sign_out(body: RefreshInput) -> Response:
    """Sign out: the session that the token (of any kind) belongs to ends at once."""
    session_id = signed().read(body.refresh).session_id if body.refresh else presented_session()
    services().sessions.revoke(session_id)
    return answers.nothing()
