"""What all inputs and answers share: unknown fields are refused by name, and every refusal names its field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Self, cast

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode
from pydantic_core import ErrorDetails

from service.domain.errors import InvalidInput

MAX_ERRORS = 20
"""Bad fields named in one answer; a body of a megabyte could hold a hundred thousand."""

MAX_NAME = 100

_SUBJECT = re.compile(r"^(Input|String|Value|List|Dictionary|Data) (?=should)")


@cache
def _schema(model: type[Shape], by_alias: bool, ref_template: str, mode: JsonSchemaMode) -> dict[str, Any]:
    schema: dict[str, Any] = BaseModel.model_json_schema.__func__(  # type: ignore[attr-defined]
        model, by_alias, ref_template, GenerateJsonSchema, mode
    )
    if issubclass(model, Changes):  # a field left out stays as it is: what stands in for it is nobody's business
        for field in schema["properties"].values():
            field.pop("default", None)
    return schema


class Shape(BaseModel):
    """A model whose JSON schema is made once; flask-openapi3 asks for it on every request (635 us each)."""

    model_config = ConfigDict(frozen=True)

    @classmethod
    def model_json_schema(
        cls,
        by_alias: bool | None = None,
        ref_template: str = "#/$defs/{model}",
        schema_generator: type[GenerateJsonSchema] = GenerateJsonSchema,  # noqa: ARG003
        mode: JsonSchemaMode = "validation",
        **_: Any,
    ) -> dict[str, Any]:
        """Describe the model; the same dictionary every time, to be read only."""
        return _schema(cls, by_alias is not False, ref_template, mode)


def documented(
    example: Mapping[str, Any] | None = None, *, optional: bool = False, headers: Mapping[str, Any] | None = None
) -> ConfigDict:
    """Say for the API's document: an example, a body that may be left out, headers that come with an answer."""
    extra: dict[str, Any] = {"required": not optional}
    if headers is not None:
        extra["headers"] = headers
    config: dict[str, Any] = {"openapi_extra": extra}
    if example is not None:
        config["json_schema_extra"] = {"example": example}
    return cast("ConfigDict", config)


class Answer(Shape):
    """A documented answer. Views write plain dictionaries, for speed; a test holds the two together."""


class Input(Shape):
    """What a request may say; anything else is refused."""

    model_config = ConfigDict(extra="forbid")

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """Read `obj`. Raises `InvalidInput` naming each bad field."""
        try:
            return super().model_validate(obj, **options)
        except ValidationError as exc:
            raise invalid_input(exc, known=tuple(cls.model_fields)) from exc


class Changes(Input):
    """Fields to change: one left out stays as it is, and null is no value unless the field says so."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_null(cls, given: Any) -> Any:
        if isinstance(given, dict):
            nulls = [name for name, value in given.items() if value is None and not _may_be_null(cls, name)]
            if nulls:
                raise InvalidInput(*((name, "must not be null; leave it out to keep it") for name in nulls))
        return given

    def given(self) -> dict[str, Any]:
        """Name the fields that the request named, with their values."""
        return {name: getattr(self, name) for name in self.model_fields_set}


def _may_be_null(model: type[BaseModel], name: str) -> bool:
    """Say whether null is a value for the field; unknown names are left for the model to refuse."""
    field = model.model_fields.get(name)
    return field is None or (isinstance(field.json_schema_extra, dict) and bool(field.json_schema_extra.get("x-null")))


def invalid_input(exc: ValidationError, *, known: tuple[str, ...]) -> InvalidInput:
    """Turn pydantic's findings into ours, field by field, never repeating a value."""
    found = exc.errors(include_url=False, include_input=False)[:MAX_ERRORS]
    return InvalidInput(*((_name(error), _message(error, known)) for error in found))


def _name(error: ErrorDetails) -> str:
    return ".".join(str(part) for part in error["loc"])[:MAX_NAME] or "body"


def _message(error: ErrorDetails, known: tuple[str, ...]) -> str:
    match error["type"]:
        case "missing":
            return "is required"
        case "extra_forbidden" if len(error["loc"]) == 1:
            return f"is not known here; known are: {', '.join(known) or 'none'}"
        case "extra_forbidden":
            return "is not known here"
        case "value_error":
            return str(error["ctx"]["error"])
        case _:
            return _SUBJECT.sub("", error["msg"])
