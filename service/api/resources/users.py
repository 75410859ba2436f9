"""Who may sign in."""

from __future__ import annotations

from flask import Response

from service.api import answers
from service.api.access import allow, caller
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

users = resource("users", "/api/users", tag="Users", about="Who may sign in")


@users.get("", responses=outcomes(200, UserPage))
@allow(Role.ADMIN)
def list_users(query: UserQuery) -> Response:
    """List users. Sort keys: id, username, email, role, created_at."""
    return answers.page(services().users.page(query.wanted(), query.request()), user_json)


@users.post("", responses=outcomes(201, UserAnswer, AlreadyExists))
@allow(Role.ADMIN)
def create_user(body: UserInput) -> Response:
    """Create a user; one with the role agent gets an agent's profile with it."""
    user = services().users.create(body.draft())
    return answers.created(user_json(user), f"/api/users/{user.id}")


@users.get("/<id:user_id>", responses=outcomes(200, UserAnswer, NotFound))
@allow(Role.ADMIN)
def read_user(path: UserPath) -> Response:
    """Read a user."""
    return answers.answer(user_json(services().users.get(path.user_id)))


@users.put("/<id:user_id>", responses=outcomes(200, UserAnswer, NotFound, AlreadyExists, Conflict))
@allow(Role.ADMIN)
def replace_user(path: UserPath, body: UserReplacement) -> Response:
    """Replace everything about a user; a password left out stays as it is."""
    user = services().users.update(path.user_id, body.changes(), actor_id=caller().user_id)
    return answers.answer(user_json(user))


@users.patch("/<id:user_id>", responses=outcomes(200, UserAnswer, NotFound, AlreadyExists, Conflict))
@allow(Role.ADMIN)
def change_user(path: UserPath, body: UserPatch) -> Response:
    """Change some fields of a user; a new password or deactivation ends their sessions, a new role counts at once."""
    user = services().users.update(path.user_id, body.changes(), actor_id=caller().user_id)
    return answers.answer(user_json(user))


@users.delete("/<id:user_id>", responses=outcomes(204, None, NotFound, Conflict))
@allow(Role.ADMIN)
def delete_user(path: UserPath) -> Response:
    """Delete a user: their sessions end, and what they hold goes back to the queue."""
    services().users.delete(path.user_id, actor_id=caller().user_id)
    return answers.nothing()
