"""The shape of every error (RFC 9457)."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from service.api.schemas.shape import Answer


class FieldError(Answer):
    """One bad field."""

    field: str
    message: str


class Problem(Answer):
    """What went wrong, for a person (`detail`) and for a program (`code`, and facts that depend on the code)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="A name for the kind of problem; `code` says the same in short")
    title: str
    status: int
    detail: str = Field(description="What is wrong and what would be right")
    code: str = Field(description="Stable: meant for programs")
    request_id: str | None = Field(default=None, description="Find the request in the logs by this")
    errors: list[FieldError] | None = Field(default=None, description="With `invalid_input`: each bad field")
