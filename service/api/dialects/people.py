"""What older clients let people do about themselves and see of each other, on the paths of users and agents.

Whoever is no admin changes their own names, email and password, and sees of others no way to reach them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from flask import Response

from service.api.access import caller
from service.api.dialects.refusals import NameTaken
from service.api.dialects.shared import has_older_path
from service.domain.errors import AlreadyExists, Forbidden
from service.domain.model import Agent, Role, User

View = TypeVar("View", bound=Callable[..., Response])

OWN_FIELDS = frozenset({"first_name", "last_name", "email", "password"})


def is_restricted() -> bool:
    """Say whether the caller may change themselves alone, and of themselves only `OWN_FIELDS`."""
    return caller().role is not Role.ADMIN


def own_changes(given: dict[str, Any], present: User | Agent) -> dict[str, Any]:
    """Keep of the fields given those that people may change about themselves.

    Others may be given as they are. Raises `Forbidden` naming those that are given otherwise.
    """
    refused = [name for name, value in given.items() if name not in OWN_FIELDS and value != getattr(present, name)]
    if refused:
        raise Forbidden(
            f"You may change your own names, email and password, not: {', '.join(sorted(refused))}.",
            needs=[Role.ADMIN.value],
            role=caller().role.value,
        )
    return {name: value for name, value in given.items() if name in OWN_FIELDS}


def seen_by_caller(describe: Callable[[Any], dict[str, Any]]) -> Callable[[Any], dict[str, Any]]:
    """Describe people in a list: to agents, without the addresses and numbers of others."""
    if not is_restricted():
        return describe
    own_id = caller().user_id

    def described(person: User | Agent) -> dict[str, Any]:
        hidden: dict[str, Any] = {} if person.id == own_id else {"email": None, "phone": ""}
        return {**describe(person), **hidden}

    return described


def taken_is_bad_input(view: View) -> View:
    """Answer for a taken name as for any other bad field (400) where the path is the older one."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Response:
        try:
            return view(*args, **kwargs)
        except AlreadyExists as refusal:
            if has_older_path():
                raise NameTaken(refusal.detail, **refusal.facts) from refusal
            raise

    return cast("View", guarded)
