"""Health as JSON."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from service.api.schemas.shape import Answer
from service.usecases.health import HealthReport, HealthStatus


class AliveAnswer(Answer):
    """The process answers."""

    status: Literal["ok"]


class PartAnswer(Answer):
    """One part the service stands on."""

    ok: bool
    detail: str = Field(description="What is wrong with it; empty when nothing is")
    ms: float = Field(description="How long its answer took")


class ReadyAnswer(Answer):
    """The whole, and its parts."""

    status: HealthStatus = Field(description="`degraded`: serves from PostgreSQL alone, slower; `down`: cannot serve")
    parts: dict[str, PartAnswer]


def ready_json(report: HealthReport) -> dict[str, Any]:
    """Describe the service's health."""
    return {
        "status": report.status,
        "parts": {name: {"ok": part.ok, "detail": part.detail, "ms": part.ms} for name, part in report.parts.items()},
    }
