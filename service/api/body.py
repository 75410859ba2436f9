"""Request bodies: JSON objects in UTF-8, or a refusal that says which of those they are not."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from service.api.errors import MalformedJson, UnsupportedMediaType
from service.domain.errors import InvalidInput

_KINDS = {list: "a list", str: "a string", bool: "a boolean", int: "a number", float: "a number", type(None): "null"}


class JsonRequest(Request):
    """A request whose body is read strictly.

    flask-openapi3 asks for JSON silently, so that a broken body would look like an empty one, and it takes a JSON
    string for JSON inside: this class answers for itself whatever it is asked.
    """

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> dict[str, Any]:  # noqa: ARG002
        """Read the body as a JSON object; no body at all counts as an empty one.

        Raises `UnsupportedMediaType`, `MalformedJson`, `InvalidInput` (JSON, but no object), `RequestEntityTooLarge`,
        `ClientDisconnected`.
        """
        raw = self.get_data()
        self._refuse_truncated(raw)
        if not raw:
            return {}
        self._refuse_other_types()
        try:
            value = orjson.loads(raw)
        except orjson.JSONDecodeError as exc:
            raise MalformedJson(f"The body is not JSON in UTF-8: {exc}", position=exc.pos) from exc
        if not isinstance(value, dict):
            raise InvalidInput(("body", f"must be a JSON object, not {_KINDS[type(value)]}"))
        return value

    def _refuse_truncated(self, raw: bytes) -> None:
        """See that the body is whole.

        Where the server marks the end of the body itself, as gunicorn does, werkzeug takes one that was cut off for one
        that has ended, and stops reading a chunked one at the limit without a word.
        """
        announced = self.content_length
        if announced is not None:
            if len(raw) < announced:
                raise ClientDisconnected
            return
        limit = self.max_content_length
        if limit is not None and len(raw) >= limit and self.environ["wsgi.input"].read(1):
            raise RequestEntityTooLarge

    def _refuse_other_types(self) -> None:
        if not self.is_json:
            given = self.mimetype or "no Content-Type at all"
            raise UnsupportedMediaType(
                f"The body must be sent as application/json; this one came as {given}.", accepted=["application/json"]
            )
        if self.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise UnsupportedMediaType("The body must not be compressed.", accepted=["application/json"])
