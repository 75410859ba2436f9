"""Service levels as JSON."""

from __future__ import annotations

import dataclasses
from typing import Any

from pydantic import Field

from service.api.schemas.shape import Answer
from service.domain.model import Priority
from service.usecases.service_levels import ServiceLevel


class MeasureAnswer(Answer):
    """One time against its target, both in seconds from the ticket's creation."""

    target_s: int
    took_s: float | None = Field(description="Null while it has not happened")
    missed: bool = Field(description="It took, or by now takes, longer than the target")


class ServiceLevelAnswer(Answer):
    """How long a ticket took, computed from its history."""

    ticket_id: int
    priority: Priority
    overdue: bool = Field(description="A target has passed for something that has not happened yet")
    assignment: MeasureAnswer = Field(description="The first assignment")
    resolution: MeasureAnswer = Field(description="The resolution or sale that still stands")
    held_s: float = Field(description="Seconds in anybody's hand, all together")
    age_s: float = Field(description="Seconds since the ticket was created")


def service_level_json(level: ServiceLevel) -> dict[str, Any]:
    """Describe a ticket's service levels."""
    return dataclasses.asdict(level)
