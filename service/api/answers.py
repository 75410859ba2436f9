"""Answers that are not errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
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


def download(chunks: Iterable[bytes], *, media_type: str, name: str) -> JsonResponse:
    """Answer with a file, sent as it is made. If that fails, the connection is cut, so that nobody takes it whole."""
    response = JsonResponse(chunks, content_type=media_type)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def page(found: Page[T], describe: Callable[[T], dict[str, Any]]) -> JsonResponse:
    """Answer with one page of a list, or its items alone for `format=list`, and a Link to the next (RFC 8288)."""
    if request.args.get("format") == "list":
        return plain(found, describe)
    response = answer(
        {
            "items": [describe(item) for item in found.items],
            "next": found.next,
            "prev": found.prev,
            "total": found.total,
            "total_is_exact": found.total_is_exact,
        }
    )
    return _linked(response, found)


def plain(found: Page[T], describe: Callable[[T], dict[str, Any]]) -> JsonResponse:
    """Answer with the items of one page of a list, and a Link to the next."""
    return _linked(answer([describe(item) for item in found.items]), found)


def _linked(response: JsonResponse, found: Page[Any]) -> JsonResponse:
    if found.next is not None:
        query = [(name, value) for name, value in request.args.items(multi=True) if name != "cursor"]
        response.headers["Link"] = f'<{request.path}?{urlencode([*query, ("cursor", found.next)])}>; rel="next"'
    return response
