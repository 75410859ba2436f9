"""Texts from forms: browsers send line ends as CR LF, and every field, whether or not it was touched.

A form that changes something carries, beside each field, a fingerprint of what it showed (`was`, a macro of
admin/parts.html). Only what differs is changed, so that two admins who edit different fields do not undo each other.
"""

from __future__ import annotations

import hashlib

from flask import request


def plain_text(name: str) -> str:
    """Read a text with line ends as they are stored."""
    return _plain(request.form.get(name, ""))


def fingerprint(shown: str) -> str:
    """Fingerprint a text as a form shows it."""
    seen = _plain(shown).removeprefix("\n")  # browsers pass over the first line end of a textarea
    return hashlib.sha256(seen.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def changed_text(name: str) -> str | None:
    """Read a text, None where it is as the form had shown it, or not in the form at all."""
    if name not in request.form:
        return None
    text = plain_text(name)
    return None if request.form.get(f"was_{name}") == fingerprint(text) else text


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
