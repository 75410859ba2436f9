"""Users as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from service.api.schemas.fields import Flag, Id, Text
from service.api.schemas.paging import PageAnswer, SortedPaging
from service.api.schemas.shape import Answer, Changes, Input, documented
from service.domain.model import Role, User
from service.usecases.ports.people import UserChanges, UserDraft, UserFilter

EXAMPLE = {"username": "ann", "password": "Correct-Horse-9", "role": "agent", "email": "ann@example.com"}
NULLABLE: Any = {"x-null": True}
"""Marks a field that null clears."""


class UserPath(Input):
    """Which user."""

    user_id: Id


class UserQuery(SortedPaging):
    """Which users to list, and which page of them."""

    role: Role | None = Field(default=None, description="Users of this role alone")
    is_active: bool | None = Field(default=None, description="Users who may sign in, or those who may not")

    def wanted(self, *, with_emails: bool) -> UserFilter:
        """Say it in the use case's words."""
        return UserFilter(text=self.q, with_emails=with_emails, role=self.role, is_active=self.is_active)


class UserFields(Input):
    """What a user has besides name, password and role."""

    email: Text | None = None
    first_name: Text = ""
    last_name: Text = ""
    phone: Text = ""
    is_active: Flag = True


class UserInput(UserFields):
    """A user to create."""

    model_config = documented(EXAMPLE)

    username: Text
    password: Text = Field(json_schema_extra={"writeOnly": True})
    role: Role = Role.AGENT

    def draft(self) -> UserDraft:
        """Say it in the use case's words."""
        return UserDraft(**dict(self))


class UserReplacement(UserFields):
    """Everything about a user; a password left out stays as it is."""

    model_config = documented({**EXAMPLE, "first_name": "Ann"})

    username: Text
    password: Text | None = Field(default=None, json_schema_extra={"writeOnly": True})
    role: Role

    def changes(self) -> UserChanges:
        """Say it in the use case's words."""
        return UserChanges(**dict(self))


class UserPatch(Changes):
    """Fields of a user to change."""

    model_config = documented({"is_active": False})

    username: Text = ""
    password: Text = Field(default="", json_schema_extra={"writeOnly": True})
    role: Role = Role.AGENT
    email: Text | None = Field(default=None, json_schema_extra=NULLABLE, description="null clears it")
    first_name: Text = ""
    last_name: Text = ""
    phone: Text = ""
    is_active: Flag = True

    def changes(self) -> UserChanges:
        """Say it in the use case's words."""
        return UserChanges(**self.given())


class PersonAnswer(Answer):
    """What is said of users and agents alike."""

    id: int
    username: str
    email: str | None
    first_name: str
    last_name: str
    phone: str
    is_active: bool
    created_at: datetime
    updated_at: datetime


class UserAnswer(PersonAnswer):
    """A user."""

    role: Role


class UserPage(PageAnswer):
    """One page of users."""

    items: list[UserAnswer]


def user_json(user: User) -> dict[str, Any]:
    """Describe a user."""
    return {
        "id": user.id,
        "username": user.username,
        "email": user.email,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "phone": user.phone,
        "role": user.role,
        "is_active": user.is_active,
        "created_at": user.created_at,
        "updated_at": user.updated_at,
    }
