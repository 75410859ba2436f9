"""Styles, scripts and pictures: served from here, under addresses that change with their content."""

from __future__ import annotations

import hashlib
import mimetypes
from functools import cache
from importlib.resources import files

from flask import Response, abort, request, url_for

from service.api.access import anonymous
from service.dashboard.blueprint import dashboard

YEAR_S = 31_536_000
MINUTE_S = 60
KINDS = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml", "txt": "text/plain"}


@cache
def _all() -> dict[str, tuple[bytes, str]]:
    """Read every asset, with its fingerprint: some hundred kilobytes."""
    root = files("service.dashboard") / "static"
    found = {entry.name: entry for entry in root.iterdir() if entry.is_file()}
    found |= {f"vendor/{entry.name}": entry for entry in (root / "vendor").iterdir() if entry.is_file()}
    return {
        name: (content, hashlib.sha256(content).hexdigest()[:12])
        for name, content in ((name, entry.read_bytes()) for name, entry in found.items())
    }


def asset_url(name: str) -> str:
    """Address an asset by its content. Raises `KeyError` for one that is not there."""
    return url_for("dashboard.asset", name=name, v=_all()[name][1])


@dashboard.get("/assets/<path:name>")
@anonymous
def asset(name: str) -> Response:
    """Serve what pages are made of; nothing else is served."""
    if name not in _all():
        abort(404)
    content, version = _all()[name]
    kind = KINDS.get(name.rpartition(".")[2]) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    is_current = request.args.get("v") == version
    lasts = f"public, max-age={YEAR_S}, immutable" if is_current else f"public, max-age={MINUTE_S}"
    return Response(content, mimetype=kind, headers={"Cache-Control": lasts})
