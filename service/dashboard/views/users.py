"""Users for admins: who may sign in, and as what."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from flask import Response

from service.api.access import caller
from service.api.services import services
from service.dashboard.blueprint import allow, dashboard
from service.dashboard.forms import choice, form_page
from service.dashboard.listing import Listing, read, show
from service.dashboard.notices import say
from service.dashboard.people_forms import (
    Refusal,
    changed_texts,
    given_fields,
    new_password,
    problems_in,
    texts,
)
from service.dashboard.rendering import go_to, page
from service.domain.model import Role, User
from service.usecases.ports.people import UserChanges, UserDraft, UserFilter

FILTERS = ("q", "role", "active")
SORTS = ("username", "email", "role", "created_at")


@dashboard.get("/users")
@allow(Role.ADMIN)
def users() -> Response:
    """Show the users."""
    listing = Listing(names=FILTERS, sorts=SORTS, default_sort="username")
    wanted = UserFilter(
        text=listing.given["q"] or None, role=listing.one("role", Role), is_active=listing.flag("active")
    )
    return show("admin/users.html", listing, read(listing, partial(services().users.page, wanted)))


@dashboard.get("/users/<id:user_id>")
@allow(Role.ADMIN)
def user(user_id: int) -> Response:
    """Show one user."""
    return page("admin/user.html", user=services().users.get(user_id), is_self=user_id == caller().user_id)


@dashboard.get("/users/new")
@allow(Role.ADMIN)
def user_new() -> Response:
    """Show the form for a user."""
    return _form(None)


@dashboard.post("/users/new")
@allow(Role.ADMIN)
def user_create() -> Response:
    """Create a user: sending the form again finds the name taken."""
    try:
        draft = UserDraft(**texts(), password=new_password(), role=choice("role", Role))
        created = services().users.create(draft)
    except Refusal as error:
        return _form(None, problems_in(error))
    say("done", f"User {created.username} is created and can sign in.")
    return go_to("dashboard.user", user_id=created.id)


@dashboard.get("/users/<id:user_id>/edit")
@allow(Role.ADMIN)
def user_edit(user_id: int) -> Response:
    """Show the form to change a user."""
    return _form(services().users.get(user_id))


@dashboard.post("/users/<id:user_id>/edit")
@allow(Role.ADMIN)
def user_change(user_id: int) -> Response:
    """Change what was changed in the form."""
    try:
        changed = services().users.update(user_id, UserChanges(**changed_texts()), actor_id=caller().user_id)
    except Refusal as error:
        return _form(services().users.get(user_id), problems_in(error))
    say("done", f"{changed.username} is changed.")
    return go_to("dashboard.user", user_id=user_id)


def _form(found: User | None, problems: Mapping[str, str] | None = None) -> Response:
    return form_page(
        "admin/user_form.html",
        problems,
        user=found,
        given=given_fields(),
    )
