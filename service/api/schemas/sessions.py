"""Signing in and out as JSON."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from service.api.schemas.fields import Text
from service.api.schemas.shape import Answer, Input, documented

Token = Annotated[str, StringConstraints(min_length=1, max_length=4_000)]


class LoginInput(Input):
    """Who signs in."""

    model_config = documented({"username": "ann", "password": "Correct-Horse-9"})

    username: Text
    password: Text


class RefreshInput(Input):
    """The refresh token; it may be sent as the bearer token instead."""

    model_config = documented(optional=True)

    refresh: Token | None = None


class PasswordInput(Input):
    """The password so far, and the one to come."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"old_password": "Correct-Horse-9", "new_password": "Battery-Staple-7"}}
    )

    old_password: Text
    new_password: Text


class TokensAnswer(Answer):
    """A pair of tokens."""

    access: str = Field(description="Send it with every call: `Authorization: Bearer <access>`")
    refresh: str = Field(description="Good for one new pair")
    token_type: Literal["Bearer"]
    expires_in: int = Field(description="Life of the access token, seconds")
