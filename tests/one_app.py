"""One application for many tests: making one takes 30 ms, more than most requests that a test sends to it."""

from __future__ import annotations

from service.api import services, telemetry
from service.api.openapi import Api
from service.api.services import Services
from service.dashboard.views import sign_in


def serve(app: Api, given: Services) -> Api:
    """Let the application serve other use cases, with the same settings, and forget what it has seen."""
    app.extensions[services.EXTENSION] = given
    app.extensions[telemetry.EXTENSION] = telemetry.HttpMetrics()
    app.extensions.pop(sign_in.SETTLED, None)
    return app
