"""What a ticket's own words may be: one set of rules for HTTP, dashboard, import and demo."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import TypeVar

from service.domain.errors import InvalidInput
from service.domain.model import Priority

T = TypeVar("T")

MAX_SUBJECT = 200
"""Characters of a subject, after trimming."""

MAX_DESCRIPTION = 20_000
"""Characters of a description."""

MAX_NOTE = 1_000
"""Characters of a reason or remark kept in a ticket's history, after trimming."""

MAX_EXTERNAL_ID = 200
"""Characters of an external id, after trimming."""

_PRIORITIES = {priority.value: priority for priority in Priority}

_UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories that would break a line or cannot be stored: controls, lone surrogates, separators."""


def clean_subject(value: object) -> str:
    """Trim a subject. Raises `InvalidInput` unless 1 to 200 characters on one line, at least one of them visible."""
    subject = _text("subject", value).strip()
    if 0 < len(subject) <= MAX_SUBJECT and subject.isprintable():  # nearly all are, and this is told at once
        return subject
    if not _is_visible(subject[: MAX_SUBJECT + 1]):
        raise InvalidInput(("subject", "must not be empty"))
    if len(subject) > MAX_SUBJECT:
        raise InvalidInput(("subject", f"must be at most {MAX_SUBJECT} characters, not {len(subject)}"))
    if any(unicodedata.category(character) in _UNPRINTABLE for character in subject):
        raise InvalidInput(("subject", "must be one line without control characters"))
    return subject


def clean_description(value: object) -> str:
    """Take a description as it is. Raises `InvalidInput` for more than 20,000 characters or what cannot be stored."""
    description = _text("description", value)
    if len(description) > MAX_DESCRIPTION:
        raise InvalidInput(("description", f"must be at most {MAX_DESCRIPTION} characters, not {len(description)}"))
    _check_storable("description", description)
    return description


def clean_note(value: object, *, field: str = "note") -> str:
    """Trim a remark, which may be empty. Raises `InvalidInput` about `field` beyond 1,000 characters, and as above."""
    note = _text(field, value).strip()
    if len(note) > MAX_NOTE:
        raise InvalidInput((field, f"must be at most {MAX_NOTE} characters, not {len(note)}"))
    _check_storable(field, note)
    return note


def clean_remark(value: object) -> str:
    """Trim a note that somebody writes. Raises `InvalidInput` when nothing of it can be seen, and as `clean_note`."""
    note = clean_note(value)
    if not _is_visible(note):
        raise InvalidInput(("note", "must not be empty"))
    return note


def parse_priority(value: object) -> Priority:
    """Read a priority in any case. Raises `InvalidInput` naming the three there are."""
    if isinstance(value, str) and (known := _PRIORITIES.get(value)) is not None:
        return known
    try:
        return Priority(_text("priority", value).strip().lower())
    except ValueError:
        raise InvalidInput(("priority", "must be high, medium or low")) from None


def clean_external_id(value: object) -> str | None:
    """Trim an external id, a text or a whole number; an empty one is none. Raises `InvalidInput` beyond 200 characters.

    It must be one line without control characters, as a subject must.
    """
    if value == "":  # nearly all rows have none
        return None
    is_number = isinstance(value, int) and not isinstance(value, bool)
    external_id = _text("external_id", str(value) if is_number else value).strip()
    if len(external_id) <= MAX_EXTERNAL_ID and external_id.isprintable():
        return external_id or None
    if len(external_id) > MAX_EXTERNAL_ID:
        raise InvalidInput(("external_id", f"must be at most {MAX_EXTERNAL_ID} characters, not {len(external_id)}"))
    if any(unicodedata.category(character) in _UNPRINTABLE for character in external_id):
        raise InvalidInput(("external_id", "must be one line without control characters"))
    return external_id or None


def clean_row(
    *, subject: object, description: object, priority: object, external_id: object
) -> tuple[str, str, Priority, str | None]:
    """Apply the rules of a ticket at once. Raises one `InvalidInput` that names every bad field."""
    try:  # good rows are many, and errors are gathered only where there is one
        return (
            clean_subject(subject),
            clean_description(description),
            parse_priority(priority),
            clean_external_id(external_id),
        )
    except InvalidInput:
        pass
    errors: list[tuple[str, str]] = []
    cleaned_subject = _collect(clean_subject, subject, errors)
    cleaned_description = _collect(clean_description, description, errors)
    parsed_priority = _collect(parse_priority, priority, errors)
    cleaned_external_id = _collect(clean_external_id, external_id, errors)
    if errors or cleaned_subject is None or cleaned_description is None or parsed_priority is None:
        raise InvalidInput(*errors)
    return cleaned_subject, cleaned_description, parsed_priority, cleaned_external_id


def _text(field: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidInput((field, "must be text"))
    return value


def _is_visible(text: str) -> bool:
    """Say whether at least one character shows: not a control, a separator or an unassigned one."""
    return any(unicodedata.category(character)[0] not in "CZ" for character in text)


def _check_storable(field: str, text: str) -> None:
    if "\0" in text or not _is_encodable(text):
        raise InvalidInput((field, "must not contain NUL or half of a surrogate pair"))


def _is_encodable(text: str) -> bool:
    """Say whether the text is without lone surrogates, the only characters that UTF-8 has no bytes for."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _collect(rule: Callable[[object], T], value: object, errors: list[tuple[str, str]]) -> T | None:
    try:
        return rule(value)
    except InvalidInput as exc:
        errors.extend((error["field"], error["message"]) for error in exc.facts["errors"])
        return None
