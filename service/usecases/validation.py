"""Checking what people typed: every bad field is found before anything is refused, so that all are named at once."""

from __future__ import annotations

import re
import unicodedata

from service.domain.errors import InvalidInput

_EMAIL = re.compile(r"[^\s@\"<>(),;:\\\[\]]{1,64}@[^\s@.\"<>(),;:\\\[\]]+(\.[^\s@.\"<>(),;:\\\[\]]+)+")
_LINE_BREAKS = "\n\r\t"

MAX_EMAIL = 254
"""Characters of an email address, RFC 5321."""

MAX_SEARCH = 200
"""Characters of a search text."""


class Problems:
    """Collect bad fields; `raise_any` refuses them all in one `InvalidInput`."""

    def __init__(self) -> None:
        self._found: list[tuple[str, str]] = []

    def add(self, field: str, message: str) -> None:
        """Note that a field is bad, and what would be right."""
        self._found.append((field, message))

    def raise_any(self) -> None:
        """Raise `InvalidInput` where anything was noted."""
        if self._found:
            raise InvalidInput(*self._found)

    def text(self, field: str, value: str, *, least: int = 0, most: int, lines: bool = False) -> str:
        """Return the text without surrounding white space; note it when it is too short, too long or not plain.

        `least` and `most` count characters. `lines` allows line breaks and tabs.
        """
        text = value.strip()
        if (broken := unprintable(text, lines=lines)) is not None:
            self.add(field, broken)
        elif len(text) < least:
            self.add(field, "must not be empty" if least == 1 else f"must have at least {least} characters")
        elif len(text) > most:
            self.add(field, f"must have at most {most} characters")
        return text

    def email(self, field: str, value: str) -> str:
        """Return the address without surrounding white space; note it when it is none."""
        before = len(self._found)
        email = self.text(field, value, most=MAX_EMAIL)
        if len(self._found) == before and not _EMAIL.fullmatch(email):
            self.add(field, "must look like name@example.com")
        return email

    def number(self, field: str, value: int, *, least: int, most: int) -> int:
        """Return the number; note it when it is out of its bounds."""
        if not least <= value <= most:
            self.add(field, f"must be between {least} and {most}")
        return value


def unprintable(text: str, *, lines: bool = False) -> str | None:
    """Say what keeps a text from being stored and shown: control characters, NUL first of all, or lone surrogates."""
    kept = _LINE_BREAKS if lines else ""
    kinds = {unicodedata.category(character) for character in text if character not in kept}
    if "Cc" in kinds:
        return "must not contain control characters"
    return "must be valid Unicode text" if "Cs" in kinds else None


def search_text(value: str | None, field: str = "q") -> str | None:
    """Return what to look for, None for nothing. Raises `InvalidInput` for a text that cannot be looked for."""
    if value is None:
        return None
    problems = Problems()
    text = problems.text(field, value, most=MAX_SEARCH)
    problems.raise_any()
    return text or None
