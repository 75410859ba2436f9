"""What went wrong, as a page that says so and leads on."""

from __future__ import annotations

from typing import cast

from flask import Response, g, request, url_for
from werkzeug.exceptions import HTTPException, NotFound

from service.api.access import anonymous
from service.api.errors import answer_unexpected, status_of
from service.dashboard.blueprint import dashboard
from service.dashboard.cookies import ACCESS, REFRESH, forget
from service.dashboard.forgery import ForeignForm
from service.dashboard.rendering import html, is_htmx, page
from service.dashboard.typed import Typed, give_back, is_authors, typed
from service.dashboard.views.sign_in import WHY, sign_in_form
from service.domain.errors import FairdealError, NotSignedIn

STATUSES: dict[type[FairdealError], tuple[int, str]] = {ForeignForm: (403, "This form cannot be used")}


@dashboard.errorhandler(FairdealError)
def fail(error: FairdealError) -> Response:
    """Answer an error that no view has caught."""
    if isinstance(error, ForeignForm) and is_authors(late := typed()):
        return give_back(cast("Typed", late), status=403)  # signed in anew in another tab, meanwhile
    status, title = STATUSES.get(type(error)) or status_of(error)
    return page("failure.html", status=status, title=title, detail=error.detail, request_id=g.get("request_id"))


@dashboard.errorhandler(NotSignedIn)
def ask_to_sign_in(error: NotSignedIn) -> Response:
    """Lead to the sign-in, saying why, and back from there to what was asked for, or typed."""
    late = typed()
    if late is not None:
        response = sign_in_form(why=WHY["ended"], carried=late, status=401)
        forget(response, ACCESS, REFRESH)
        return response
    asked = request.full_path.rstrip("?") if request.method == "GET" and not is_htmx() else None
    why = None if error.facts.get("reason") == "missing" else "ended"
    address = url_for("dashboard.sign_in", next=asked, why=why)
    if is_htmx():
        response = html("", status=401)
        response.headers["HX-Redirect"] = address
    else:
        response = Response(status=303, headers={"Location": address, "Cache-Control": "no-store"})
    forget(response, ACCESS, REFRESH)
    return response


@dashboard.errorhandler(Exception)
def fail_unexpectedly(exc: Exception) -> Response:
    """Log what nobody foresaw, and say no more than that."""
    answer_unexpected(exc)
    return page(
        "failure.html",
        status=500,
        title="Something went wrong on our side",
        detail="It has been logged. Try again; if it stays like this, tell your administrator the number below.",
        request_id=g.get("request_id"),
    )


@dashboard.errorhandler(HTTPException)
def fail_http(exc: HTTPException) -> Response | HTTPException:
    """Answer for werkzeug."""
    if exc.code is None:
        return exc
    title = "There is no such page" if isinstance(exc, NotFound) else exc.name
    return page("failure.html", status=exc.code, title=title, detail=exc.description, request_id=g.get("request_id"))


@dashboard.get("/<path:rest>")
@anonymous
def nowhere(rest: str) -> Response:  # noqa: ARG001
    """Answer for addresses that nothing has."""
    raise NotFound("The address may be mistyped, or what was here is gone.")
