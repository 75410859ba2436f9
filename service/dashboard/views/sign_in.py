"""Signing in and out, and the way in."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from flask import Response, current_app, g, request, url_for

from service.api.access import anonymous, caller
from service.api.errors import status_of
from service.api.services import services
from service.dashboard import cookies, typed
from service.dashboard.blueprint import allow, dashboard
from service.dashboard.navigation import EVERYBODY, home
from service.dashboard.rendering import go, go_to, page
from service.domain.errors import FairdealError, NotSignedIn
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.people import UserFilter

SETTLED = "fairdeal.settled"
"""Among the app's extensions: whether a second user has been seen. From then on the question costs nothing."""

WHY = {
    "ended": "You have been signed out: the session has run out, or was ended elsewhere. Sign in to go on.",
    "out": "You are signed out.",
}


@dashboard.get("/")
@allow(*EVERYBODY)
def start() -> Response:
    """Lead everybody to where they begin."""
    return go_to(home(caller().role).endpoint)


@dashboard.get("/sign-in")
@anonymous
def sign_in() -> Response:
    """Ask who it is; whoever is signed in already goes on."""
    if _is_signed_in():
        return go(_next())
    return sign_in_form(why=WHY.get(request.args.get("why", "")))


@dashboard.post("/sign-in")
@anonymous
def sign_in_by_password() -> Response:
    """Sign in by name and password."""
    username, password = request.form.get("username", ""), request.form.get("password", "")
    if not username.strip() or not password:
        return sign_in_form(
            problem="Give your username and your password.", username=username, status=HTTPStatus.BAD_REQUEST
        )
    try:
        opened = services().sessions.login(
            username, password, address=request.remote_addr, device=request.cookies.get(cookies.DEVICE)
        )
    except FairdealError as error:
        return _refused(error, username)
    cookies.keep_signed_in(opened)
    cookies.keep_device(opened.user.username)
    return _go_on(opened.session_id)


def _go_on(session_id: UUID) -> Response:
    """Go on to what was asked for; what was typed before is given back to its author, and is nobody else's."""
    late = typed.carried()
    if late is None:
        return go(_next())
    g.principal = services().sessions.principal(session_id)
    return typed.give_back(late) if typed.is_authors(late) else go_to("dashboard.start")


@dashboard.post("/sign-out")
@allow(*EVERYBODY)
def sign_out() -> Response:
    """End the session, here and for whoever has a copy of its tokens."""
    services().sessions.revoke(caller().session_id)
    response = go_to("dashboard.sign_in", why="out")
    cookies.forget(response, cookies.ACCESS, cookies.REFRESH)
    return response


def _refused(error: FairdealError, username: str) -> Response:
    response = sign_in_form(problem=_worded(error), username=username, status=status_of(error)[0])
    if wait_s := error.facts.get("retry_after_s"):
        response.headers["Retry-After"] = str(wait_s)
    return response


def sign_in_form(
    *,
    problem: str | None = None,
    why: str | None = None,
    username: str = "",
    carried: typed.Typed | None = None,
    status: int = HTTPStatus.OK,
) -> Response:
    """Show the form; it carries along what was typed into another form before."""
    late = carried or typed.carried()
    return page(
        "sign_in.html",
        status=status,
        problem=problem,
        why=why,
        username=username,
        next=late.back if late else request.values.get("next", ""),
        late=late,
        carried=typed.dumps(late) if late else None,
        is_fresh=_is_fresh(),
        admin=services().settings.admin_username,
    )


def _is_fresh() -> bool:
    """Say whether nobody but the first admin can sign in yet: a new install, whose finder may not know how."""
    if current_app.extensions.get(SETTLED):
        return False
    try:
        is_fresh = services().users.page(UserFilter(), PageRequest(limit=2)).total < 2
    except FairdealError:
        return False
    current_app.extensions[SETTLED] = not is_fresh
    return is_fresh


def _is_signed_in() -> bool:
    try:
        services().sessions.principal(cookies.session_of_cookies())
    except NotSignedIn:
        return False
    return True


def _worded(error: FairdealError) -> str:
    """Say why not. An error that names a time to wait is a lock, and says for how long."""
    wait_s = error.facts.get("retry_after_s")
    wait = f" Try again in {wait_s} seconds." if wait_s and str(wait_s) not in error.detail else ""
    return f"{error.detail.rstrip('.')}.{wait}"


def _next() -> str:
    """Say where to go on: to the page asked for, if it is one of ours."""
    wanted = request.values.get("next", "")
    return wanted if typed.is_ours(wanted) else url_for("dashboard.start")
