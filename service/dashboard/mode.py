"""Degraded mode, on every page: a banner, kept true by a header that also a 304 carries."""

from __future__ import annotations

from flask import Response

from service.api.services import services
from service.dashboard.blueprint import dashboard
from service.dashboard.condition import BANNERS
from service.usecases.operations import Mode

HEADER = "Fairdeal-Mode"


def banner() -> str:
    """Say what is degraded; nothing where nothing is."""
    return BANNERS[services().operations.mode()]


def banners() -> dict[str, str]:
    """List what the banner may have to say, by the word in the header."""
    return {mode.value: text for mode, text in BANNERS.items() if mode is not Mode.NORMAL}


@dashboard.after_request
def _tell(response: Response) -> Response:
    if response.mimetype == "text/html":
        response.headers[HEADER] = services().operations.mode().value
    return response
