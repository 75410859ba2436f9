"""Answers that are not errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlencode

from flask import request

from service.api.encoding import JsonResponse, dumps
from service.domain.model import Page

T = TypeVar("T")


def answer(body: Any, status: int = 200) -> JsonResponse:
    """Answer with JSON."""
    return JsonResponse(dumps(body), status=status)


def created(body: Any, location: str) -> JsonResponse:
    """Answer 201, saying where the new thing is."""
    response = answer(body, 201)
    response.headers["Location"] = location
    return response


def nothing() -> JsonResponse:
    """Answer 204: done, and there is nothing to say."""
    response = JsonResponse(status=204)
    del response.headers["Content-Type"]
    return response


def page(found: Page[T], describe: Callable[[T], dict[str, Any]]) -> JsonResponse:
    """Answer with one page of a list, and a Link to the next (RFC 8288)."""
    response = answer(
        {
            "items": [describe(item) for item in found.items],
            "next": found.next,
            "total": found.total,
            "total_is_exact": found.total_is_exact,
        }
    )
    if found.next is not None:
        query = [(name, value) for name, value in request.args.items(multi=True) if name != "cursor"]
        response.headers["Link"] = f'<{request.path}?{urlencode([*query, ("cursor", found.next)])}>; rel="next"'
    return response
