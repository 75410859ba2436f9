"""Forms of our own, told from those of other sites: a token that only our pages can know, in every form that posts.

The token is the session's id (before the sign-in: the browser's visit) under a keyed hash: nothing is stored, and it
ends with the session. Beside it stands who had the form before them, under a hash of its own: that outlives the
session, so that what was typed into the form can be given back to its author, and to nobody else.
"""

from __future__ import annotations

import hmac
from typing import ClassVar

from flask import g, request

from service.api.services import services
from service.dashboard.cookies import visit
from service.domain.errors import FairdealError

FIELD = "csrf"


class ForeignForm(FairdealError):
    """The form was not made by our page, or for another sign-in."""

    code: ClassVar[str] = "foreign_form"


def token() -> str:
    """Make the token of the forms that this request's answer shows."""
    principal = g.get("principal")
    if principal is None:
        return _digest(f"visit:{visit()}")
    return f"{_digest(f'session:{principal.session_id}')}.{principal.user_id}.{_digest(f'author:{principal.user_id}')}"


def author() -> int | None:
    """Tell whose page the form of this request was on, whatever became of their session; None if it was not ours."""
    _, _, rest = request.form.get(FIELD, "").partition(".")
    user_id, _, proof = rest.partition(".")
    if is_from_elsewhere() or not hmac.compare_digest(proof.encode(), _digest(f"author:{user_id}").encode()):
        return None
    return int(user_id)


def is_from_elsewhere() -> bool:
    """Say whether the browser knows that another site sent this."""
    return request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}


def _digest(whose: str) -> str:
    key = services().settings.jwt_secret_key.get_secret_value().encode()
    return hmac.digest(key, f"fairdeal form {whose}".encode(), "sha256").hex()


def refuse() -> None:
    """Refuse what is posted by other sites. Raises `ForeignForm`."""
    if request.method in {"GET", "HEAD", "OPTIONS"}:
        return
    if is_from_elsewhere():
        raise ForeignForm("This form was sent by another site. Nothing was done.")
    if not hmac.compare_digest(request.form.get(FIELD, "").encode(), token().encode()):
        raise ForeignForm(
            "This form belongs to another sign-in, or your browser did not send our cookies. Nothing was done: "
            "go back, reload the page, and try again."
        )
