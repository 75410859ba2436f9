"""Write the API as a Postman collection and as an .http file: `python -m scripts.render_requests`.

A test keeps both equal to what this writes, and another sends every request of both, in their order.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import wrap
from typing import Any
from urllib.parse import urlencode

from scripts.request_tour import TOUR, VARIABLES, Step
from service.cli.openapi import document

DOCS = Path(__file__).parents[1] / "docs"
COLLECTION = DOCS / "fairdeal.postman_collection.json"
HTTP = DOCS / "fairdeal.http"
ABOUT = (
    "One working example of every operation of the API. Sent in their order they work from the first to the last on "
    "any installation, signing in on the way: fill in the admin's password first. Made by scripts/render_requests.py."
)
SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"

_PARAMETER = re.compile(r"\{(\w+)\}")
_BARE = re.compile(r'"(\{\{(?:\w*_id|held_\d|their_(?:customer|ticket|agent))\}\})"')
"""Ids in bodies are numbers: their places lose the quotation marks."""


class Request:
    """A step of the tour, completed from the document."""

    def __init__(self, step: Step, method: str, path: str, operation: dict[str, Any], number: int) -> None:
        self.step = step
        self.number = number
        self.method = method.upper()
        self.folder = operation["tags"][0]
        self.title = step.title or operation["summary"].rstrip(".")
        self.about = operation["description"] + (f"\n\nAnswers {step.status}: {step.why}." if step.why else "")
        self.path = _PARAMETER.sub(lambda found: step.path[found[1]], path)
        self.query = dict(step.query)
        if str(step.status) not in operation["responses"]:
            raise LookupError(f"{step.operation}: {step.status} is not documented")

    @property
    def name(self) -> str:
        """Name the request in an .http file, where an answer is referred to by it."""
        return f"{self.step.operation}_{self.number}"

    @property
    def address(self) -> str:
        """The address below the base."""
        return self.path + (f"?{urlencode(self.query)}" if self.query else "")

    @property
    def text(self) -> str | None:
        """The body as it is sent."""
        body = self.step.body
        if body is None or isinstance(body, str):
            return body
        return _BARE.sub(r"\1", json.dumps(body, indent=2))


def requests() -> list[Request]:
    """Complete every step. Raises `LookupError` where tour and document do not fit together."""
    spec: Any = document()
    operations = {
        operation["operationId"]: (method, path, operation)
        for path, methods in spec["paths"].items()
        for method, operation in methods.items()
    }
    missing = sorted(operations.keys() - {step.operation for step in TOUR})
    if missing:
        raise LookupError(f"no step of scripts/request_tour.py shows {', '.join(missing)}")
    return [Request(step, *operations[step.operation], number) for number, step in enumerate(TOUR, 1)]


def collection() -> str:
    """Write the Postman collection: folders in the order of the tour, a new one wherever the subject changes."""
    folders: list[dict[str, Any]] = []
    for request in requests():
        if not folders or folders[-1]["name"] != request.folder:
            folders.append({"name": request.folder, "item": []})
        folders[-1]["item"].append(_item(request))
    whole = {
        "info": {"name": "Fairdeal", "description": ABOUT, "schema": SCHEMA},
        "item": folders,
        "variable": [{"key": key, "value": value} for key, value in VARIABLES.items()],
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def _item(request: Request) -> dict[str, Any]:
    step = request.step
    described: dict[str, Any] = {
        "method": request.method,
        "description": request.about,
        "url": {
            "raw": "{{base_url}}" + request.address,
            "host": ["{{base_url}}"],
            "path": request.path.strip("/").split("/"),
            "query": [{"key": key, "value": value} for key, value in request.query.items()],
        },
        "header": [],
        "auth": {"type": "noauth"},
    }
    if step.by != "nobody":
        token = {"key": "token", "value": f"{{{{{step.by}_token}}}}", "type": "string"}
        described["auth"] = {"type": "bearer", "bearer": [token]}
    if request.text is not None:
        described["header"].append({"key": "Content-Type", "value": step.content_type})
        described["body"] = {"mode": "raw", "raw": request.text}
    checks = [f'pm.test("answers {step.status}", () => pm.response.to.have.status({step.status}));']
    checks += [f'pm.collectionVariables.set("{name}", pm.response.json().{path});' for name, path in step.keep.items()]
    return {
        "name": request.title,
        "request": described,
        "event": [{"listen": "test", "script": {"type": "text/javascript", "exec": checks}}],
    }


def http_file() -> str:
    """Write the .http file, as the REST Client of VS Code reads it."""
    head = [*(f"# {line}" for line in wrap(ABOUT, 118)), ""]
    head += [f"@{name} = {value}" for name, value in VARIABLES.items()]
    return "\n".join([*head, "", *(line for request in requests() for line in _block(request))])


def _block(request: Request) -> Iterator[str]:
    step = request.step
    yield f"### {request.title} ({request.folder})"
    yield f"# Answers {step.status}" + (f": {step.why}" if step.why else "")
    yield f"# @name {request.name}"
    yield f"{request.method} {{{{base_url}}}}{request.address}"
    if step.by != "nobody":
        yield f"Authorization: Bearer {{{{{step.by}_token}}}}"
    if request.text is not None:
        yield f"Content-Type: {step.content_type}"
        yield ""
        yield from request.text.rstrip("\n").split("\n")
    yield ""
    for name, path in step.keep.items():
        yield f"@{name} = {{{{{request.name}.response.body.$.{path}}}}}"
    if step.keep:
        yield ""


if __name__ == "__main__":
    COLLECTION.write_text(collection(), encoding="utf-8")
    HTTP.write_text(http_file(), encoding="utf-8")
