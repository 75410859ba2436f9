"""Errors as HTTP: one table from what went wrong to a status, one shape (RFC 9457) for them all."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, current_app, g, request
from werkzeug.exceptions import ClientDisconnected, HTTPException, MethodNotAllowed, RequestEntityTooLarge
from werkzeug.exceptions import NotFound as NoRoute

from service.api.dialects import refusals
from service.api.dialects.fields import by_field
from service.api.encoding import dumps
from service.domain import errors

logger = logging.getLogger(__name__)

PROBLEM_JSON = "application/problem+json"
RETRY_AFTER_S = 2


class MalformedJson(errors.FairdealError):
    """The body is not JSON."""

    code = "malformed_json"


class UnsupportedMediaType(errors.FairdealError):
    """The body is of a type that is not read here."""

    code = "unsupported_media_type"


class MalformedPrecondition(errors.FairdealError):
    """The If-Match header is not an ETag of ours."""

    code = "malformed_precondition"


class UnknownPath(errors.FairdealError):
    """There is no such path."""

    code = "unknown_path"


class WrongMethod(errors.FairdealError):
    """The path is there, but not for this method."""

    code = "method_not_allowed"


class BodyTooLarge(errors.FairdealError):
    """The body is longer than the service reads."""

    code = "body_too_large"


class UnreadableBody(errors.FairdealError):
    """The body ended before it was complete, or its chunks are broken."""

    code = "unreadable_body"


class InternalError(errors.FairdealError):
    """Something broke that nobody foresaw."""

    code = "internal_error"


STATUSES: dict[type[errors.FairdealError], tuple[int, str]] = {
    errors.InvalidInput: (400, "The input is not valid"),
    MalformedJson: (400, "The body is not JSON"),
    UnreadableBody: (400, "The body cannot be read"),
    MalformedPrecondition: (400, "The If-Match header is not an ETag"),
    refusals.AlreadySold: (400, "Already sold"),
    refusals.NameTaken: (400, "Already exists"),
    refusals.CustomerMissing: (400, "The sale names no customer"),
    refusals.StatusRefused: (400, "The status cannot become that"),
    errors.WrongCredentials: (401, "Wrong username or password"),
    errors.NotSignedIn: (401, "Not signed in"),
    errors.Forbidden: (403, "Not allowed"),
    errors.AgentInactive: (403, "The agent is not active"),
    errors.NotFound: (404, "Not found"),
    refusals.NotForSale: (404, "Not for sale"),
    UnknownPath: (404, "No such path"),
    WrongMethod: (405, "Method not allowed"),
    errors.AgentAway: (409, "The agent is away"),
    errors.AgentAtCapacity: (409, "The agent's hands are full"),
    errors.AlreadyExists: (409, "Already exists"),
    errors.IllegalMove: (409, "The ticket's state does not allow this"),
    errors.TicketTaken: (409, "Somebody else has had the ticket since"),
    errors.TicketArchived: (409, "The ticket is in the archive"),
    errors.Conflict: (409, "Conflict"),
    errors.KeyInFlight: (409, "The first request is still being served"),
    errors.StaleEpoch: (412, "The ticket has changed hands"),
    BodyTooLarge: (413, "The body is too large"),
    UnsupportedMediaType: (415, "Unsupported media type"),
    errors.KeyReused: (422, "The key belongs to another request"),
    errors.TooManyTries: (429, "Too many tries"),
    InternalError: (500, "Internal error"),
    errors.PasswordsBusy: (503, "Too many sign-ins at once"),
    errors.StoreUnavailable: (503, "The database is not available"),
    errors.QueueUnavailable: (503, "The queue is not available"),
}
"""The one table. A subclass not listed is answered as its nearest listed parent."""


def status_of(error: errors.FairdealError | type[errors.FairdealError]) -> tuple[int, str]:
    """Look an error up in the table; one that is not in it is a defect of ours, hence a 500."""
    kind = error if isinstance(error, type) else type(error)
    return next((STATUSES[parent] for parent in kind.__mro__ if parent in STATUSES), STATUSES[InternalError])


def problem(error: errors.FairdealError) -> dict[str, Any]:
    """Describe an error as RFC 9457 does, its facts beside the standard members."""
    status, title = status_of(error)
    return {
        "type": f"urn:fairdeal:problem:{error.code}",
        "title": title,
        "status": status,
        "detail": error.detail,
        "code": error.code,
    } | {name: fact for name, fact in error.facts.items() if name not in {"type", "title", "status", "detail", "code"}}


def answer_error(error: errors.FairdealError) -> Response:
    """Answer with an error: the problem, and the headers its status calls for."""
    status, _ = status_of(error)
    body = {**by_field(error), **problem(error), "request_id": g.get("request_id")}
    response = Response(dumps(body), status=status, content_type=PROBLEM_JSON)
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = _challenge(error)
    if status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}:
        response.headers["Retry-After"] = str(error.facts.get("retry_after_s", RETRY_AFTER_S))
    if isinstance(error, WrongMethod):
        response.headers["Allow"] = ", ".join(error.facts["allowed"])
    return response


def _challenge(error: errors.FairdealError) -> str:
    """Say how to sign in (RFC 6750): a token that was sent and refused is told apart from none at all."""
    challenge = 'Bearer realm="fairdeal"'
    if error.facts.get("reason", "missing") == "missing":
        return challenge
    return f'{challenge}, error="invalid_token"'


def answer_http_exception(exc: HTTPException) -> Response | HTTPException:
    """Answer for werkzeug, which knows about paths, methods and sizes but would answer in HTML."""
    if exc.code is None:
        return exc  # an answer somebody made and raised: not an error
    if isinstance(exc, NoRoute):
        error: errors.FairdealError = UnknownPath(
            f"There is nothing at {request.path!r}. /openapi.json lists the paths; ids are positive integers."
        )
    elif isinstance(exc, MethodNotAllowed):
        allowed = sorted(exc.valid_methods or ())
        error = WrongMethod(f"{request.method} is not possible here; {', '.join(allowed)} is.", allowed=allowed)
    elif isinstance(exc, RequestEntityTooLarge):
        limit = current_app.config["MAX_CONTENT_LENGTH"]
        error = BodyTooLarge(f"The body may be {limit:,} bytes long at the most.", limit_bytes=limit)
    elif isinstance(exc, ClientDisconnected):
        error = UnreadableBody("The body ended early: send as many bytes as Content-Length says, or whole chunks.")
    else:
        return _other(exc)
    return answer_error(error)


def _other(exc: HTTPException) -> Response:
    """Answer for a status that has no error class here: its code is the name HTTP gives it."""
    status = HTTPStatus(exc.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    body = {
        "type": "about:blank",
        "title": exc.name,
        "status": status,
        "detail": exc.description or exc.name,
        "code": status.name.lower(),
        "request_id": g.get("request_id"),
    }
    return Response(dumps(body), status=status, content_type=PROBLEM_JSON)


def answer_unexpected(exc: Exception) -> Response:
    """Log what nobody foresaw and answer with nothing but the id to find it by."""
    logger.error("request_failed", exc_info=exc, extra={"method": request.method, "path": request.path})
    return answer_error(InternalError("Something went wrong on our side; it is logged under this request id."))


def install(app: Flask) -> None:
    """Make every error of the app an answer of ours."""
    app.register_error_handler(errors.FairdealError, answer_error)
    app.register_error_handler(HTTPException, answer_http_exception)
    app.register_error_handler(Exception, answer_unexpected)
