"""Who may sign in."""

from __future__ import annotations

from flask import Response

from service.api import answers
from service.api.access import allow, caller
from service.api.dialects.fields import refuses_by_field
from service.api.dialects.people import (
    is_restricted,
    own_changes,
    seen_by_caller,
    taken_is_bad_input,
)
from service.api.dialects.refusals import NameTaken
from service.api.openapi import outcomes, resource
from service.api.schemas.users import (
    UserAnswer,
    UserInput,
    UserPage,
    UserPatch,
    UserPath,
    UserQuery,
    UserReplacement,
    user_json,
)
from service.api.services import services
from service.domain.errors import AlreadyExists, Conflict, NotFound
from service.domain.model import Role
from service.usecases.ports.people import UserChanges

users = resource("users", "/api/users", tag="Users", about="Who may sign in")


def _changes(user_id: int, body: UserReplacement | UserPatch) -> UserChanges:
    """Read what is to be changed, as far as the caller may. Raises `Forbidden`."""
    if not is_restricted():
        return body.changes()
    return UserChanges(**own_changes(body.model_dump(exclude_unset=True), services().users.get(user_id)))


@users.get("", responses=outcomes(200, UserPage))
@allow(Role.ADMIN, Role.AGENT)
def list_users(query: UserQuery) -> Response:
    """List users. Sort keys: id, username, email, role, created_at.

    Agents see of others neither email nor phone, and neither search nor sort by them.
    """
    wanted = query.wanted(with_emails=not is_restricted())
    return answers.page(services().users.page(wanted, query.request()), seen_by_caller(user_json))


@users.post("", responses=outcomes(201, UserAnswer, AlreadyExists, NameTaken))
@allow(Role.ADMIN)
@refuses_by_field
@taken_is_bad_input
def create_user(body: UserInput) -> Response:
    """Create a user; one with the role agent gets an agent's profile with it."""
    user = services().users.create(body.draft())
    return answers.created(user_json(user), f"/api/users/{user.id}")


@users.get("/<id:user_id>", responses=outcomes(200, UserAnswer, NotFound))
@allow(Role.ADMIN, own="user_id")
def read_user(path: UserPath) -> Response:
    """Read a user."""
    return answers.answer(user_json(services().users.get(path.user_id)))


@users.put("/<id:user_id>", responses=outcomes(200, UserAnswer, NotFound, AlreadyExists, NameTaken, Conflict))
@allow(Role.ADMIN, own="user_id")
@refuses_by_field
@taken_is_bad_input
def replace_user(path: UserPath, body: UserReplacement) -> Response:
    """Replace everything about a user; a password left out stays as it is.

    Of themselves, others than admins replace what they give of names, email and password.
    """
    user = services().users.update(path.user_id, _changes(path.user_id, body), actor_id=caller().user_id)
    return answers.answer(user_json(user))


@users.patch("/<id:user_id>", responses=outcomes(200, UserAnswer, NotFound, AlreadyExists, NameTaken, Conflict))
@allow(Role.ADMIN, own="user_id")
@refuses_by_field
@taken_is_bad_input
def change_user(path: UserPath, body: UserPatch) -> Response:
    """Change some fields of a user; a new password or deactivation ends their sessions, a new role counts at once.

    Of themselves, others than admins change names, email and password.
    """
    user = services().users.update(path.user_id, _changes(path.user_id, body), actor_id=caller().user_id)
    return answers.answer(user_json(user))


@users.delete("/<id:user_id>", responses=outcomes(204, None, NotFound, Conflict))
@allow(Role.ADMIN, own="user_id")
def delete_user(path: UserPath) -> Response:
    """Delete a user: their sessions end, and what they hold goes back to the queue."""
    services().users.delete(path.user_id, actor_id=caller().user_id)
    return answers.nothing()
