"""What people want to be told."""

from __future__ import annotations

from flask import Response

from service.api import answers
from service.api.access import ANYBODY, allow, caller
from service.api.openapi import outcomes, resource
from service.api.schemas.mails import PreferencesAnswer, PreferencesInput, preferences_json
from service.api.schemas.users import UserPath
from service.api.services import services
from service.domain.errors import NotFound
from service.domain.model import Role

notifications = resource("notifications", "/api", tag="Notifications")


@notifications.get("/me/notifications", responses=outcomes(200, PreferencesAnswer))
@allow(*ANYBODY)
def read_own_notifications() -> Response:
    """Read which kinds of mail the caller gets."""
    return answers.answer(preferences_json(services().notification_preferences.get(caller().user_id)))


@notifications.put("/me/notifications", responses=outcomes(200, PreferencesAnswer))
@allow(*ANYBODY)
def replace_own_notifications(body: PreferencesInput) -> Response:
    """Choose which kinds of mail the caller gets. It counts for what happens from now on."""
    found = services().notification_preferences.replace(caller().user_id, body.wanted())
    return answers.answer(preferences_json(found))


@notifications.get("/users/<id:user_id>/notifications", responses=outcomes(200, PreferencesAnswer, NotFound))
@allow(Role.ADMIN, own="user_id")
def read_notifications(path: UserPath) -> Response:
    """Read which kinds of mail a user gets."""
    return answers.answer(preferences_json(services().notification_preferences.get(path.user_id)))


@notifications.put("/users/<id:user_id>/notifications", responses=outcomes(200, PreferencesAnswer, NotFound))
@allow(Role.ADMIN, own="user_id")
def replace_notifications(path: UserPath, body: PreferencesInput) -> Response:
    """Choose which kinds of mail a user gets. It counts for what happens from now on."""
    found = services().notification_preferences.replace(path.user_id, body.wanted())
    return answers.answer(preferences_json(found))
