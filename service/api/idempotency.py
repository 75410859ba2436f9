"""The Idempotency-Key header (draft-ietf-httpapi-idempotency-key-header) on routes that declare it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast
from uuid import UUID

from flask import Flask, Response, g, request

from service.api.access import caller
from service.api.errors import answer_error
from service.api.schemas.moves import SERVED_BY_HEADER
from service.api.services import services
from service.domain.errors import FairdealError
from service.usecases.ports.idempotency import Reply

View = TypeVar("View", bound=Callable[..., Any])

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
KEPT_HEADERS = ("Content-Type", "Location", "ETag", SERVED_BY_HEADER)

PARAMETER = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": (
        "A name for this request, 1 to 255 characters, unique for the caller. Repeating the request with the same key "
        "does nothing again and answers the same; with another body it is refused (422), and while the first one is "
        "being served too (409). Kept for at least a day."
    ),
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "example": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
}

_ATTRIBUTE = "fairdeal_idempotent"


def idempotent(view: View) -> View:
    """Let callers name their request by `Idempotency-Key`: then it is carried out once, however often it is sent."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Response:
        return once(lambda: cast("Response", view(*args, **kwargs)), content=request.get_data)

    return takes_key(cast("View", guarded))


def takes_key(view: View) -> View:
    """Declare that a view takes the header, which sees to it by `once` itself."""
    setattr(view, _ATTRIBUTE, True)
    return view


def once(work: Callable[[], Response], *, content: Callable[[], bytes]) -> Response:
    """Carry `work` out once for the key of the present request, if it has one; `content` tells requests apart."""
    key = request.headers.get(HEADER)
    if key is None:
        return work()

    def operation(operation_id: UUID) -> Reply:
        g.operation_id = operation_id
        return _kept(_answered(work))

    reply, is_replay = services().idempotency.once(
        caller().user_id, key, fingerprint=_fingerprint(content()), operation=operation
    )
    return _sent(reply, is_replay=is_replay)


def is_idempotent(app: Flask, endpoint: str) -> bool:
    """Say whether an endpoint takes the header."""
    return getattr(app.view_functions[endpoint], _ATTRIBUTE, False)


def operation_id() -> UUID | None:
    """Name the operation that this request carries out; None for a request without a key."""
    return cast("UUID | None", g.get("operation_id"))


def _answered(work: Callable[[], Response]) -> Response:
    """Turn a refusal into an answer: it is the reply to keep."""
    try:
        return work()
    except FairdealError as error:
        return answer_error(error)


def _fingerprint(content: bytes) -> str:
    """Tell requests apart: method, path, precondition and content."""
    digest = hashlib.sha256()
    for part in (request.method, request.path.rstrip("/"), request.headers.get("If-Match", "")):
        digest.update(part.encode() + b"\0")
    digest.update(content)
    return digest.hexdigest()


def _kept(response: Response) -> Reply:
    headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
    return Reply(status=response.status_code, headers=headers, body=response.get_data())


def _sent(reply: Reply, *, is_replay: bool) -> Response:
    response = Response(reply.body, status=reply.status)
    response.headers.update(reply.headers)
    if is_replay:
        response.headers[REPLAYED] = "true"
    return response
