"""Kinds of fields that several resources share.

Only their shape is checked here: what a text may contain is judged by the use cases.
"""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, Strict, StringConstraints

from service.domain.ticket_rules import MAX_DESCRIPTION, MAX_EXTERNAL_ID, MAX_SUBJECT

MAX_ID = 2**63 - 1


def counting_to(most: int) -> str:
    """Write the pattern of the whole numbers from 1 to `most`: of as many digits, all that are less at some digit."""
    digits = str(most)
    less = [
        f"{digits[:at]}[{lowest}-{int(digit) - 1}][0-9]{{{len(digits) - at - 1}}}"
        for at, digit in enumerate(digits)
        if int(digit) > (lowest := 0 if at else 1)
    ]
    shorter = [f"[1-9][0-9]{{0,{len(digits) - 2}}}"] if len(digits) > 1 else []
    return f"(?:{'|'.join([*shorter, *less, digits])})"


def _one_line(text: str) -> str:
    """Refuse characters that move the cursor instead of showing something; PostgreSQL takes no NUL at all."""
    if any(unicodedata.category(char) in {"Cc", "Cs"} for char in text):
        raise ValueError("must not contain control characters")
    return text


def _moment(value: Any) -> datetime:
    """Read a moment in ISO 8601; one without an offset is in UTC."""
    hint = "must be a moment in ISO 8601, such as 2026-01-31T09:00:00Z (in a query, write + as %2B)"
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError) as exc:
        raise ValueError(hint) from exc


def _split(value: Any) -> Any:
    """Take `a,b` for `a` and `b`, beside the parameter given twice."""
    if isinstance(value, list):
        return [part for item in value for part in (item.split(",") if isinstance(item, str) else [item])]
    return value


Id = Annotated[int, Strict(), Field(ge=1, le=MAX_ID, json_schema_extra={"example": 7})]
"""An id in a body or a path: an integer, and neither a text nor a float that looks like one."""

QueryId = Annotated[int, Field(ge=1, le=MAX_ID)]

Subject = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_SUBJECT)]

Description = Annotated[str, StringConstraints(max_length=MAX_DESCRIPTION)]

ExternalId = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_EXTERNAL_ID)]

Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]

Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)]

Text = Annotated[str, StringConstraints(max_length=1_000)]
"""A text that the use case judges; only its length is bounded here."""

Search = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200), AfterValidator(_one_line)]

Flag = Annotated[bool, Strict()]

Moment = Annotated[datetime, BeforeValidator(_moment)]

Cursor = Annotated[str, StringConstraints(min_length=1, max_length=2_000, pattern=r"^[A-Za-z0-9_=-]+$")]

Several = BeforeValidator(_split)
"""Beside a list type in a query: the values may be given with commas or one by one."""
