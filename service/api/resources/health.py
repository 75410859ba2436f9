"""Whether the service is there, whether it can serve, and how it is doing."""

from __future__ import annotations

from flask import Response

from service.api import answers
from service.api.access import anonymous
from service.api.gauges import StateCollector
from service.api.openapi import outcomes, resource
from service.api.schemas.health import AliveAnswer, ReadyAnswer, ready_json
from service.api.services import services
from service.api.telemetry import metrics
from service.usecases.health import HealthStatus

health = resource("health", None, tag="Operations", about="How the service is doing")

METRICS = {"description": "Metrics", "content": {"text/plain": {"schema": {"type": "string"}}}}


@health.get("/healthz", responses=outcomes(200, AliveAnswer))
@anonymous
def read_alive() -> Response:
    """Say that the process answers; nothing else is tried."""
    return answers.answer({"status": "ok"})


@health.get("/readyz", responses={**outcomes(200, ReadyAnswer), "503": ReadyAnswer})
@anonymous
def read_ready() -> Response:
    """Try every part the way a request would: 503 when the service cannot serve; without Redis it can, slower."""
    report = services().health.check()
    return answers.answer(ready_json(report), 503 if report.status is HealthStatus.DOWN else 200)


@health.get("/metrics", responses={"200": METRICS})
@anonymous
def read_metrics() -> Response:
    """Expose metrics in the Prometheus text format."""
    meters = services().meters
    meters.look()
    shown = metrics().exposition(StateCollector(services().figures.read), *meters.collectors())
    return Response(shown, content_type="text/plain; version=0.0.4; charset=utf-8")
