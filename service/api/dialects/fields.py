"""Refusals that name each bad field as a member with a list of messages, beside our own `errors`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import current_app, request

from service.api.dialects.refusals import NameTaken
from service.domain.errors import AlreadyExists, FairdealError, InvalidInput

View = TypeVar("View", bound=Callable[..., Any])

_ATTRIBUTE = "fairdeal_refuses_by_field"


def refuses_by_field(view: View) -> View:
    """Declare that a view's refusals name fields so."""
    setattr(view, _ATTRIBUTE, True)
    return view


def by_field(error: FairdealError) -> dict[str, list[str]]:
    """List an error's messages by field, where the view that is called refuses so; else nothing."""
    view = current_app.view_functions.get(request.endpoint or "")
    if not getattr(view, _ATTRIBUTE, False):
        return {}
    found: dict[str, list[str]] = {}
    if isinstance(error, InvalidInput):
        for each in error.facts["errors"]:
            found.setdefault(each["field"], []).append(each["message"])
    elif isinstance(error, AlreadyExists | NameTaken):
        found[error.facts["field"]] = [error.detail]
    return found
