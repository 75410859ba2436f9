"""One's own account."""

from __future__ import annotations

from http import HTTPStatus

from flask import Response, request

from service.api.access import caller
from service.api.services import services
from service.dashboard.blueprint import allow, dashboard
from service.dashboard.forms import problems_of
from service.dashboard.navigation import EVERYBODY
from service.dashboard.notices import say
from service.dashboard.rendering import go_to, page
from service.domain.errors import InvalidInput


@dashboard.get("/account")
@allow(*EVERYBODY)
def account() -> Response:
    """Show who is signed in, with a form for a new password."""
    return page("account.html", user=services().users.get(caller().user_id), problems={})


@dashboard.post("/account")
@allow(*EVERYBODY)
def account_password() -> Response:
    """Set a new password; one's other sessions end."""
    form = request.form
    if form.get("new_password", "") != form.get("repeated", ""):
        return _refused({"repeated": "is not the same as the new password"})
    try:
        services().sessions.change_password(
            caller(), old_password=form.get("old_password", ""), new_password=form.get("new_password", "")
        )
    except InvalidInput as error:
        return _refused(problems_of(error))
    say("done", "Your password is changed. You are signed out everywhere else.")
    return go_to("dashboard.account")


def _refused(problems: dict[str, str]) -> Response:
    user = services().users.get(caller().user_id)
    return page("account.html", status=HTTPStatus.BAD_REQUEST, user=user, problems=problems)
