"""The API's own documents: /openapi.json, and Swagger UI at /docs with every asset served from here."""

from __future__ import annotations

from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable

from flask import Blueprint, Response, abort, current_app, request

from service.api.access import anonymous
from service.api.encoding import dumps
from service.api.openapi import Api, document

EXTENSION = "fairdeal.documents"

PAGE = "fairdeal.page"
"""Where the page for people begins, put among the app's extensions by whoever serves it."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""Swagger UI sets style attributes and draws its icons from data: addresses; it needs no inline script."""

DAY_S = 86_400

documents = Blueprint("documents", __name__)


class Documents:
    """Hold the document and the assets, made and found when first asked for."""

    def __init__(self, api: Api) -> None:
        self._api = api

    @cached_property
    def spec(self) -> bytes:
        """The OpenAPI document."""
        return dumps(document(self._api))

    @cached_property
    def assets(self) -> dict[str, tuple[Traversable, str]]:
        """Every file that the page asks for, with its type; nothing else is served."""
        swagger = files("flask_openapi3_swagger") / "templates" / "swagger"
        return {
            "start.js": (files("service.api") / "pages" / "start.js", "text/javascript"),
            "swagger-ui.css": (swagger / "css" / "swagger-ui.css", "text/css"),
            "swagger-ui-bundle.js": (swagger / "js" / "swagger-ui-bundle.js", "text/javascript"),
            "swagger-ui-standalone-preset.js": (swagger / "js" / "swagger-ui-standalone-preset.js", "text/javascript"),
            "swagger.svg": (swagger / "images" / "swagger.svg", "image/svg+xml"),
        }


def _documents() -> Documents:
    held: Documents = current_app.extensions[EXTENSION]
    return held


@documents.get("/")
@anonymous
def home() -> Response:
    """Send browsers to the page where there is one, and everybody else to the documentation."""
    page = current_app.extensions.get(PAGE)
    wants_page = (
        page is not None and request.accept_mimetypes.best_match(("application/json", "text/html")) == "text/html"
    )
    headers = {"Location": page if page is not None and wants_page else "/docs", "Vary": "Accept"}
    return Response(status=302, mimetype="text/plain", headers=headers)


@documents.get("/openapi.json")
@anonymous
def openapi() -> Response:
    """Describe the API."""
    return Response(_documents().spec, mimetype="application/json")


@documents.get("/docs")
@anonymous
def docs() -> Response:
    """Show the API to people."""
    page = (files("service.api") / "pages" / "docs.html").read_bytes()
    return Response(page, mimetype="text/html", headers={"Content-Security-Policy": POLICY})


@documents.get("/docs/<asset>")
@anonymous
def docs_asset(asset: str) -> Response:
    """Serve what the page is made of."""
    if asset not in _documents().assets:
        abort(404)
    source, mimetype = _documents().assets[asset]
    return Response(source.read_bytes(), mimetype=mimetype, headers={"Cache-Control": f"public, max-age={DAY_S}"})


def install(api: Api) -> None:
    """Serve the documents of an app."""
    api.extensions[EXTENSION] = Documents(api)
    api.register_blueprint(documents)
