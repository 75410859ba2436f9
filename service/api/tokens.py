"""Access and refresh tokens: signed by us, naming a session; whether that goes on is asked on every request."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, cast
from uuid import UUID

from flask import Flask, Response, current_app, request
from flask_jwt_extended import JWTManager, create_access_token, create_refresh_token, decode_token
from flask_jwt_extended.exceptions import JWTExtendedException
from jwt import ExpiredSignatureError, PyJWTError

from service.api import long_lived
from service.api.errors import answer_error
from service.config import Settings
from service.domain.errors import NotSignedIn
from service.usecases.ports.sessions import SessionTokensData

EXTENSION = "fairdeal.tokens"
CACHE_SIZE = 10_000

_NOT_OURS = (PyJWTError, JWTExtendedException, LookupError, TypeError, ValueError, AttributeError)
"""What a token can raise: the libraries' own refusals, and what claims of strange types provoke."""

Kind = Literal["access", "refresh"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a token of ours says. It says nothing of roles: those are read afresh."""

    kind: Kind
    session_id: UUID
    jti: UUID
    expires_at: float


class Tokens:
    """Issue tokens and read them back.

    A token's signature is verified once and remembered until it expires: 4 us instead of 150 for each request.
    """

    def __init__(self, settings: Settings) -> None:
        self._access_life_s = settings.access_token_minutes * 60
        self._verified: dict[str, Claims] = {}

    def issue(self, data: SessionTokensData) -> dict[str, Any]:
        """Make the pair of tokens of a session."""
        subject, claims = str(data.user.id), {"sid": str(data.session_id)}
        refresh_claims = {**claims, "jti": str(data.refresh_jti), "exp": data.expires_at}
        return {
            "access": create_access_token(subject, additional_claims=claims),
            "refresh": create_refresh_token(subject, additional_claims=refresh_claims),
            "token_type": "Bearer",
            "expires_in": self._access_life_s,
        }

    def read(self, encoded: str, *, kind: Kind | None = None) -> Claims:
        """Verify a token, of the `kind` wanted. Raises `NotSignedIn`, its `reason` "expired" or "invalid"."""
        claims = self.remembered(encoded) or self._verify(encoded)
        if kind is not None and claims.kind != kind:
            raise _invalid(f"This is the {claims.kind} token; the {kind} token is wanted here.")
        return claims

    def remembered(self, encoded: str) -> Claims | None:
        """Return what a token says that has been verified before and is still good; None for any other."""
        claims = self._verified.get(encoded)
        return claims if claims is not None and claims.expires_at > time.time() else None

    def _verify(self, encoded: str) -> Claims:
        claims = _decode(encoded)
        if len(self._verified) >= CACHE_SIZE:
            self._verified.clear()
        self._verified[encoded] = claims
        return claims


def _decode(encoded: str) -> Claims:
    try:
        said = decode_token(encoded)
        return Claims(
            kind=cast("Kind", said["type"]),
            session_id=UUID(said["sid"]),
            jti=UUID(said["jti"]),
            expires_at=float(said["exp"]),
        )
    except ExpiredSignatureError as exc:
        raise _expired() from exc
    except _NOT_OURS as exc:
        raise _invalid("The token is not one of ours.") from exc


def bearer() -> str:
    """Take the token from the Authorization header. Raises `NotSignedIn`, its `reason` "missing" or "invalid"."""
    header = request.headers.get("Authorization", "")
    scheme, _, encoded = header.strip().partition(" ")
    if not scheme:
        raise NotSignedIn("Sign in at POST /api/token and send `Authorization: Bearer <access>`.", reason="missing")
    if scheme.lower() != "bearer" or not encoded.strip():
        raise _invalid("The Authorization header must read `Bearer <access>`.")
    return encoded.strip()


def presented_session(kind: Kind | None = None) -> UUID:
    """Name the session that the Authorization header speaks for: by `Bearer`, of this `kind`, or by `Token`.

    Raises `NotSignedIn`.
    """
    scheme, _, secret = request.headers.get("Authorization", "").strip().partition(" ")
    if scheme.lower() == long_lived.SCHEME and secret.strip():
        return long_lived.session_of(secret.strip())
    return tokens().read(bearer(), kind=kind).session_id


def tokens() -> Tokens:
    """Fetch the tokens of the app that serves the present request."""
    return cast("Tokens", current_app.extensions[EXTENSION])


def _invalid(detail: str) -> NotSignedIn:
    return NotSignedIn(f"{detail} Sign in at POST /api/token.", reason="invalid")


def _expired() -> NotSignedIn:
    return NotSignedIn("The token has expired; get a new pair at POST /api/token/refresh.", reason="expired")


def install(app: Flask, settings: Settings) -> None:
    """Set Flask-JWT-Extended up, and let its own refusals look like ours."""
    app.config.update(
        JWT_SECRET_KEY=settings.jwt_secret_key.get_secret_value(),
        JWT_ALGORITHM="HS256",
        JWT_TOKEN_LOCATION=["headers"],
        JWT_COOKIE_CSRF_PROTECT=False,  # there are no cookies here; it would only lengthen the tokens
        JWT_ACCESS_TOKEN_EXPIRES=timedelta(minutes=settings.access_token_minutes),
        JWT_REFRESH_TOKEN_EXPIRES=timedelta(days=settings.refresh_token_days),
    )
    manager = JWTManager(app)
    app.extensions[EXTENSION] = Tokens(settings)

    def refuse_token(*_: object) -> Response:
        return answer_error(_invalid("The token is not one of ours."))

    manager.expired_token_loader(lambda *_: answer_error(_expired()))
    manager.unauthorized_loader(
        lambda _: answer_error(NotSignedIn("Send `Authorization: Bearer <access>`.", reason="missing"))
    )
    for refusal in (
        manager.invalid_token_loader,
        manager.revoked_token_loader,
        manager.needs_fresh_token_loader,
        manager.user_lookup_error_loader,
        manager.token_verification_failed_loader,
    ):
        refusal(refuse_token)
