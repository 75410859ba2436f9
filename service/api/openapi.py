"""The OpenAPI 3.1 document: what the routes and models say, completed with what holds for all of them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.info import Info
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from flask_openapi3.types import ResponseDict
from pydantic import BaseModel

from service import __doc__ as about
from service.api.access import Access, access_of
from service.api.body import JsonRequest
from service.api.encoding import JsonResponse, OrjsonProvider
from service.api.errors import (
    PROBLEM_JSON,
    STATUSES,
    BodyTooLarge,
    InternalError,
    MalformedJson,
    MalformedPrecondition,
    UnsupportedMediaType,
    status_of,
)
from service.api.idempotency import PARAMETER as KEY_PARAMETER
from service.api.idempotency import is_idempotent
from service.api.schemas.problems import Problem
from service.api.webhook_document import describe_webhooks
from service.domain.errors import (
    FairdealError,
    Forbidden,
    InvalidInput,
    KeyInFlight,
    KeyReused,
    NotSignedIn,
    StaleEpoch,
    StoreUnavailable,
)

BEARER = "bearer"
_PARAMETER = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")

IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The ticket's ETag: refuse with 412 if it has changed hands since",
    "schema": {"type": "string"},
    "example": '"3"',
}
ETAG = {"ETag": {"description": "The ticket's epoch, quoted", "schema": {"type": "string"}, "example": '"3"'}}


class Api(OpenAPI):
    """The Flask application, with our own reading and writing of JSON."""

    json_provider_class = OrjsonProvider
    request_class = JsonRequest
    response_class = JsonResponse

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return the view or hook as it is: none here is asynchronous, and Flask looks at five for each request."""
        return func


def new_api(version: str) -> Api:
    """Make the bare application. Its documentation pages are ours (`documents.py`): theirs need inline scripts."""
    return Api(
        "service.api",
        info=Info(title="Fairdeal", version=version, description=about),
        security_schemes={BEARER: {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        validation_error_status=400,
        validation_error_model=Problem,
        doc_ui=False,
        static_folder=None,
    )


def resource(name: str, prefix: str | None, *, tag: str, about: str | None = None) -> APIBlueprint:
    """Begin a resource: routes below one prefix, under one heading of the document."""
    heading = Tag(name=tag, description=about) if about else Tag(name=tag)
    return APIBlueprint(
        name, "service.api", url_prefix=prefix, abp_tags=[heading], operation_id_callback=lambda *, name, **_: name
    )


def download(*media_types: str) -> dict[str, Any]:
    """Document an answer that is a file."""
    disposition = {"description": "The name to keep the file by", "schema": {"type": "string"}}
    return {
        "description": "The file, piece by piece",
        "content": {media_type: {"schema": {"type": "string"}} for media_type in media_types},
        "headers": {"Content-Disposition": disposition},
    }


def outcomes(status: int, model: type[BaseModel] | dict[str, Any] | None, *errors: type[FairdealError]) -> ResponseDict:
    """Document a route: what it answers when all goes well, and the errors that are its own.

    What any route may answer (not signed in, bad input, no database) is added by `document`.
    """
    documented: ResponseDict = {str(status): model}
    documented.update(_problems(*errors))
    return documented


def _problems(*errors: type[FairdealError]) -> dict[str, Any]:
    """Document errors, those of one status together."""
    by_status: dict[int, list[type[FairdealError]]] = defaultdict(list)
    for error in errors:
        by_status[status_of(error)[0]].append(error)
    return {
        str(status): {
            "description": " ".join((error.__doc__ or "").splitlines()[0] for error in some),
            "content": {
                PROBLEM_JSON: {
                    "schema": {"$ref": f"#/components/schemas/{Problem.__name__}"},
                    "examples": {error.code: {"$ref": f"#/components/examples/{error.code}"} for error in some},
                }
            },
        }
        for status, some in by_status.items()
    }


def _example(error: type[FairdealError]) -> dict[str, Any]:
    status, title = status_of(error)
    example = {
        "type": f"urn:fairdeal:problem:{error.code}",
        "title": title,
        "status": status,
        "detail": (error.__doc__ or "").splitlines()[0],
        "code": error.code,
        "request_id": "5f3c0f8e9b0a4c7d8e1f2a3b4c5d6e7f",
    }
    if error is InvalidInput:
        example["detail"] = "limit: should be less than or equal to 100"
        example["errors"] = [{"field": "limit", "message": "should be less than or equal to 100"}]
    return example


def document(api: Api) -> dict[str, Any]:
    """Write the whole document. Slow (some 50 ms): keep the result."""
    spec: dict[str, Any] = api.api_doc
    spec["components"]["examples"] = {error.code: {"value": _example(error)} for error in STATUSES}
    for rule in api.url_map.iter_rules():
        operations = spec["paths"].get(_PARAMETER.sub(r"{\1}", rule.rule), {})
        for method in rule.methods or ():
            operation = operations.get(method.lower())
            access = access_of(api, rule.endpoint)
            if operation is not None and access is not None:
                _complete(operation, access, is_idempotent=is_idempotent(api, rule.endpoint))
                _or_list(operation, spec["components"]["schemas"])
    describe_webhooks(spec)
    return spec


def _complete(operation: dict[str, Any], access: Access, *, is_idempotent: bool) -> None:
    """Add what follows from a route's access, its inputs and its other answers."""
    answers: dict[str, Any] = operation["responses"]
    has_body = "requestBody" in operation
    errors: list[type[FairdealError]] = [InternalError]
    if "503" not in answers:  # /readyz says in its own words that a part is away
        errors += [StoreUnavailable]
    if not access.is_anonymous:
        errors += [NotSignedIn, Forbidden]
        operation["security"] = [{BEARER: []}]
    if has_body:
        errors += [InvalidInput, MalformedJson, BodyTooLarge, UnsupportedMediaType]
    elif operation.get("parameters"):
        errors += [InvalidInput]
    if is_idempotent:
        errors += [KeyInFlight, KeyReused]
        operation.setdefault("parameters", []).append(KEY_PARAMETER)
    if str(status_of(StaleEpoch)[0]) in answers:
        errors += [MalformedPrecondition]
        operation.setdefault("parameters", []).append(IF_MATCH)
        for status in {"200", "201"} & answers.keys():
            answers[status]["headers"] = ETAG
    answers.pop("400", None)  # the library's own guess
    for status, documented in _problems(*errors).items():
        _merge(answers, status, documented)
    for parameter in operation.get("parameters", ()):
        _drop_null(parameter["schema"])
    allowed = f"For {access}."
    operation["description"] = f"{operation['description']}\n\n{allowed}" if "description" in operation else allowed


def _or_list(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Where a list is offered as page and as plain list, describe both."""
    content = operation["responses"].get("200", {}).get("content", {}).get("application/json")
    if content is None or all(parameter["name"] != "format" for parameter in operation.get("parameters", ())):
        return
    page = schemas[content["schema"]["$ref"].rpartition("/")[2]]["properties"]
    if "items" in page:  # a file's format is another matter
        content["schema"] = {"anyOf": [content["schema"], {"type": "array", "items": page["items"]["items"]}]}


def _merge(answers: dict[str, Any], status: str, documented: dict[str, Any]) -> None:
    """Add a documented error to the answers, beside what a route already says of the same status."""
    present = answers.setdefault(status, documented)
    if present is not documented:
        content = present["content"][PROBLEM_JSON]
        content["examples"] = {**documented["content"][PROBLEM_JSON]["examples"], **content["examples"]}
        present["description"] = f"{present['description']} {documented['description']}"


def _drop_null(schema: dict[str, Any]) -> None:
    """Describe a parameter that may be left out as just that: there is no way to write null in a query."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) == 1:
        del schema["anyOf"]
        schema.update(kinds[0])
        if schema.get("default", ...) is None:
            del schema["default"]
