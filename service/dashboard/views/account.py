"""One's own account: who is signed in, the mails one gets, the password, and being signed in elsewhere."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Response, request

from service.api.access import caller
from service.api.errors import status_of
from service.api.services import services
from service.dashboard.blueprint import allow, dashboard
from service.dashboard.forms import form_page, problems_of
from service.dashboard.navigation import EVERYBODY
from service.dashboard.notices import say
from service.dashboard.rendering import go_to
from service.dashboard.wording import counted
from service.domain.errors import InvalidInput, PasswordsBusy, TooManyTries
from service.domain.model import Role
from service.domain.notices import NoticeKind

MAILED = (Role.AGENT,)
"""The roles that are told of anything by mail: all notices are about tickets in one's hand."""

MAIL_WORDS = {
    NoticeKind.FETCHED: ("Tickets I fetched", "A list of what came into your hand when you asked for tickets."),
    NoticeKind.ASSIGNED: ("Tickets given to me", "Assigned automatically, or by an admin."),
    NoticeKind.PRIORITY_CHANGED: ("Changed priorities", "Somebody else changed the priority of a ticket you hold."),
    NoticeKind.HOLD_WARNING: ("Tickets about to go back", "You have held them for long without beginning them."),
    NoticeKind.TAKEN_AWAY: ("Tickets taken from me", "An admin, or a time limit, took them out of your hand."),
}


@dashboard.get("/account")
@allow(*EVERYBODY)
def account() -> Response:
    """Show who is signed in, with forms for mails and a new password."""
    return _show()


@dashboard.post("/account")
@allow(*EVERYBODY)
def account_password() -> Response:
    """Set a new password; one's other sessions end."""
    form = request.form
    if form.get("new_password", "") != form.get("repeated", ""):
        return _show({"repeated": "is not the same as the new password"})
    try:
        services().sessions.change_password(
            caller(), old_password=form.get("old_password", ""), new_password=form.get("new_password", "")
        )
    except InvalidInput as error:
        return _show(problems_of(error))
    except (TooManyTries, PasswordsBusy) as error:
        return _show_to_wait(error)
    say("done", "Your password is changed. You are signed out everywhere else.")
    return go_to("dashboard.account")


@dashboard.post("/account/mails")
@allow(*MAILED)
def account_mails() -> Response:
    """Choose which mails one gets: those ticked."""
    ticked = set(request.form.getlist("mail"))
    services().notification_preferences.replace(caller().user_id, {kind: kind.value in ticked for kind in NoticeKind})
    say("done", "Your choice of mails is kept. It counts for what happens from now on.")
    return go_to("dashboard.account")


@dashboard.post("/account/elsewhere")
@allow(*EVERYBODY)
def account_elsewhere() -> Response:
    """End one's other sessions."""
    ended = services().sessions.revoke_all(caller().user_id, except_session=caller().session_id)
    if ended:
        say("done", f"{counted(ended, 'other sign-in')} ended: you are signed in here alone.")
    else:
        say("info", "You were signed in nowhere else.")
    return go_to("dashboard.account")


def _show_to_wait(error: TooManyTries | PasswordsBusy) -> Response:
    """Show the form with how long to wait: nothing typed into it was looked at."""
    response = _show(wait=error.detail)
    response.status_code = status_of(error)[0]
    response.headers["Retry-After"] = str(error.facts["retry_after_s"])
    return response


def _show(problems: Mapping[str, str] | None = None, *, wait: str | None = None) -> Response:
    is_mailed = caller().role in MAILED
    return form_page(
        "account.html",
        problems,
        wait=wait,
        user=services().users.get(caller().user_id),
        mails=services().notification_preferences.get(caller().user_id) if is_mailed else None,
        mail_words=MAIL_WORDS,
    )
