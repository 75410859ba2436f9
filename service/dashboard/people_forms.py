"""Forms about people: reading them, and saying beside each field what a use case found wrong."""

from __future__ import annotations

from typing import Any

from flask import request

from service.dashboard.forms import problems_of
from service.dashboard.written import changed_text, plain_text
from service.domain.errors import AlreadyExists, Conflict, FairdealError, InvalidInput
from service.domain.model import MAX_CAPACITY

TEXTS = ("username", "email", "first_name", "last_name", "phone")

Refusal = (InvalidInput, AlreadyExists, Conflict)
"""What a form says beside its fields."""


def texts() -> dict[str, Any]:
    """Read all texts about a person."""
    return {name: plain_text(name) for name in TEXTS}


def changed_texts() -> dict[str, Any]:
    """Read the texts that differ from what the form had shown; an email cleared is an empty one."""
    found = {name: changed_text(name) for name in TEXTS}
    return {name: text for name, text in found.items() if text is not None}


def whole_number(name: str, *, least: int = 1, most: int = MAX_CAPACITY) -> int:
    """Read a number. Raises `InvalidInput`."""
    text = request.form.get(name, "").strip()
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most)) and least <= int(text) <= most):
        raise InvalidInput((name, f"must be a whole number from {least} to {most}"))
    return int(text)


def ticked(name: str) -> bool:
    """Read a box."""
    return request.form.get(name) == "yes"


def new_password() -> str:
    """Read a password typed twice. Raises `InvalidInput`."""
    password = request.form.get("password", "")
    if password != request.form.get("repeated", ""):
        raise InvalidInput(("repeated", "is not the same as the password"))
    return password


def problems_in(error: FairdealError) -> dict[str, str]:
    """Say what is wrong with each field; what concerns none of them is kept under an empty name."""
    if isinstance(error, InvalidInput):
        return problems_of(error)
    if isinstance(error, AlreadyExists):
        return {str(error.facts.get("field", "")): "is taken already; choose another"}
    if "capacity" in error.facts:
        held = error.facts["held"]
        return {"capacity": f"cannot be less than the {held} in hand; return or reassign some first"}
    return {"": error.detail}


def given_fields() -> dict[str, Any]:
    """Tell what was typed, passwords left out: they are never sent back."""
    return {name: text for name, text in request.form.items() if name not in {"password", "repeated"}}
