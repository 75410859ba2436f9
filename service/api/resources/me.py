"""The caller's own account."""

from __future__ import annotations

from flask import Response

from service.api import answers
from service.api.access import ANYBODY, allow, caller
from service.api.openapi import outcomes, resource
from service.api.schemas.sessions import PasswordInput
from service.api.schemas.users import UserAnswer, user_json
from service.api.services import services
from service.domain.errors import PasswordsBusy, TooManyTries

me = resource("me", "/api/me", tag="Session")


@me.get("", responses=outcomes(200, UserAnswer))
@allow(*ANYBODY)
def read_me() -> Response:
    """Read who is calling."""
    return answers.answer(user_json(services().users.get(caller().user_id)))


@me.post("/password", responses=outcomes(204, None, TooManyTries, PasswordsBusy))
@allow(*ANYBODY)
def change_password(body: PasswordInput) -> Response:
    """Change the caller's password; their other sessions end."""
    services().sessions.change_password(caller(), old_password=body.old_password, new_password=body.new_password)
    return answers.nothing()
