"""Forms: reading ids and choices, and showing a form, anew where something is wrong with a field."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from http import HTTPStatus
from typing import Any, TypeVar

from flask import Response, request

from service.api.schemas.fields import MAX_ID
from service.dashboard.rendering import page
from service.domain.errors import InvalidInput

Choice = TypeVar("Choice", bound=StrEnum)

MOST_IDS = 500


def ids(name: str) -> list[int]:
    """Read the ids of a field given any number of times, each once, in order. Raises `InvalidInput`."""
    given = request.values.getlist(name)
    if len(given) > MOST_IDS:
        raise InvalidInput((name, f"may be given {MOST_IDS} times at the most"))
    found = dict.fromkeys(int(text) for text in given if text.isascii() and text.isdigit())
    if len(given) != sum(text.isascii() and text.isdigit() for text in given) or any(
        not 1 <= each <= MAX_ID for each in found
    ):
        raise InvalidInput((name, "must be a positive whole number"))
    return list(found)


def choice(name: str, kind: type[Choice]) -> Choice:
    """Read a field that must be one of the words of an enumeration. Raises `InvalidInput`."""
    try:
        return kind(request.values.get(name, ""))
    except ValueError:
        raise InvalidInput((name, f"must be one of {', '.join(kind)}")) from None


def problems_of(error: InvalidInput) -> dict[str, str]:
    """Say what is wrong with each field, to be shown beside it."""
    found: dict[str, str] = {}
    for each in error.facts["errors"]:
        found[each["field"]] = "; ".join(filter(None, (found.get(each["field"]), each["message"])))
    return found


def form_page(template: str, problems: Mapping[str, str] | None = None, **values: Any) -> Response:
    """Show a form: as it was filled in (`given` says otherwise), with what is wrong beside each field."""
    status = HTTPStatus.BAD_REQUEST if problems else HTTPStatus.OK
    return page(template, status=status, problems=problems or {}, **{"given": request.form, **values})
