"""The floor: a Flask application that does nothing, under the very same gunicorn configuration."""

from __future__ import annotations

from flask import Flask


def create_app() -> Flask:
    """Make it."""
    app = Flask("hello")

    @app.get("/healthz")
    @app.get("/hello")
    def hello() -> str:
        return "Hello, World!"

    return app
