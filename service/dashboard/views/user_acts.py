"""What takes something from a user: a new password, another role, deactivation, deletion. Each asks first."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from uuid import UUID

from flask import Response, url_for

from service.api.access import caller
from service.api.services import services
from service.dashboard.blueprint import allow, dashboard
from service.dashboard.forms import choice, form_page
from service.dashboard.notices import say
from service.dashboard.once import once
from service.dashboard.people_forms import Refusal, given_fields, new_password, problems_in
from service.dashboard.rendering import go, go_to
from service.domain.errors import Conflict
from service.domain.model import Role, User
from service.usecases.ports.people import UserChanges


@dashboard.get("/users/<id:user_id>/password")
@allow(Role.ADMIN)
def user_password(user_id: int) -> Response:
    """Show the form for a new password."""
    return _password_form(user_id)


@dashboard.post("/users/<id:user_id>/password")
@allow(Role.ADMIN)
def user_password_now(user_id: int) -> Response:
    """Set a user's password, which ends their sessions. The form has no key: no digest of a password is kept."""
    try:
        services().users.set_password(user_id, new_password(), actor_id=caller().user_id)
    except Refusal as error:
        return _password_form(user_id, problems_in(error))
    found = services().users.get(user_id)
    say("done", f"{found.username} has a new password, and is signed out everywhere.")
    return go(_page_of(found))


def _password_form(user_id: int, problems: Mapping[str, str] | None = None) -> Response:
    return _asked("admin/user_password.html", user_id, problems)


@dashboard.get("/users/<id:user_id>/role")
@allow(Role.ADMIN)
def user_role(user_id: int) -> Response:
    """Ask which role a user is to have."""
    return _asked("admin/user_role.html", user_id)


@dashboard.post("/users/<id:user_id>/role")
@allow(Role.ADMIN)
def user_role_now(user_id: int) -> Response:
    """Give a user another role; an agent's hand goes back to the queue."""
    try:
        changes = UserChanges(role=choice("role", Role))
        changed = services().users.update(user_id, changes, actor_id=caller().user_id)
    except Refusal as error:
        return _asked("admin/user_role.html", user_id, problems_in(error))
    say("done", f"{changed.username} is {_with_article(changed.role)} now.")
    return go(_page_of(changed))


@dashboard.get("/users/<id:user_id>/deactivate")
@allow(Role.ADMIN)
def user_deactivate(user_id: int) -> Response:
    """Ask before a user is deactivated."""
    return _asked("admin/user_deactivate.html", user_id)


@dashboard.post("/users/<id:user_id>/deactivate")
@allow(Role.ADMIN)
def user_deactivate_now(user_id: int) -> Response:
    """Deactivate a user, which ends their sessions and empties their hand."""
    return _set_active(user_id, is_active=False)


@dashboard.post("/users/<id:user_id>/activate")
@allow(Role.ADMIN)
def user_activate(user_id: int) -> Response:
    """Let a user sign in again."""
    return _set_active(user_id, is_active=True)


def _set_active(user_id: int, *, is_active: bool) -> Response:
    try:
        changed = services().users.update(user_id, UserChanges(is_active=is_active), actor_id=caller().user_id)
    except Conflict as error:
        say("error", error.detail)
        return go_to("dashboard.user", user_id=user_id)
    say("done", f"{changed.username} is {'active' if is_active else 'deactivated'} now.")
    return go(_page_of(changed))


@dashboard.get("/users/<id:user_id>/delete")
@allow(Role.ADMIN)
def user_delete(user_id: int) -> Response:
    """Ask before a user is deleted."""
    return _asked("admin/user_delete.html", user_id)


@dashboard.post("/users/<id:user_id>/delete")
@allow(Role.ADMIN)
def user_delete_now(user_id: int) -> Response:
    """Delete a user, with the consequences of deactivation."""
    try:
        return go(once(partial(_delete, user_id)))
    except Conflict as error:
        say("error", error.detail)
        return go_to("dashboard.user", user_id=user_id)


def _delete(user_id: int, _: UUID | None) -> str:
    found = services().users.get(user_id)
    services().users.delete(user_id, actor_id=caller().user_id)
    say("done", f"{found.username} is deleted.")
    return url_for("dashboard.agents" if found.role is Role.AGENT else "dashboard.users")


def _asked(template: str, user_id: int, problems: Mapping[str, str] | None = None) -> Response:
    """Show a form about a user, with what they would lose."""
    found = services().users.get(user_id)
    return form_page(
        template,
        problems,
        user=found,
        agent=services().agents.get(user_id) if found.role is Role.AGENT else None,
        is_self=user_id == caller().user_id,
        back=_page_of(found),
        given=given_fields(),
    )


def _page_of(found: User) -> str:
    """Address the page of a user; an agent's is richer."""
    if found.role is Role.AGENT:
        return url_for("dashboard.agent", agent_id=found.id)
    return url_for("dashboard.user", user_id=found.id)


def _with_article(role: Role) -> str:
    return f"{'an' if role.value[0] in 'aeiou' else 'a'} {role.value}"
