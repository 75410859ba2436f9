"""What is wrong with a setting, in words."""

from __future__ import annotations

from typing import Any, get_args

from pydantic.fields import FieldInfo


class ConfigurationError(Exception):
    """Say every bad variable at once, each with what would be right."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def worded(name: str, field: FieldInfo, kind: str, context: dict[str, Any]) -> str:
    """Word one pydantic error for a person; never repeat the value, it may be a secret."""
    if kind == "missing":
        wrong = "is not set"
    elif kind == "value_error":
        wrong = str(context["error"])
    else:
        wrong = _rule(field)
    return f"{name.upper()}: {wrong} ({field.description})"


def _rule(field: FieldInfo) -> str:
    """Say what a field accepts, both ends of a range included."""
    if field.annotation in (int, float):
        number = "a whole number" if field.annotation is int else "a number"
        return f"must be {number} from {_bound(field, 'ge')} to {_bound(field, 'le')}"
    if words := get_args(field.annotation):
        return f"must be {', '.join(words[:-1])} or {words[-1]}"
    least = _bound(field, "min_length") or 0
    return f"must have at least {least} characters" if least > 1 else "must be plain text"


def _bound(field: FieldInfo, name: str) -> Any:
    return next((getattr(bound, name) for bound in field.metadata if hasattr(bound, name)), None)
