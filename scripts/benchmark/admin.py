"""The admin: signs in as anybody would, and asks the service for one thing at a time."""

from __future__ import annotations

import http.client
import json
from typing import Any

from scripts.ports import LOOPBACK

PASSWORD = "Bench-me-in-1"  # noqa: S105 - of a server that lives for minutes
_PATIENCE_S = 120


class RefusedError(Exception):
    """Say what the service refused."""


class Admin:
    """An admin who is signed in at the web server on `port`."""

    def __init__(self, port: int) -> None:
        """Sign in."""
        self._port = port
        self.token = ""
        self.token = str(self.ask("POST", "/api/token", {"username": "admin", "password": PASSWORD})["access"])

    def ask(self, method: str, path: str, body: object = None, *, kind: str = "application/json") -> Any:
        """Send a request and read its JSON. Raises `RefusedError` for anything but 2xx."""
        headers = {"Content-Type": kind} | ({"Authorization": f"Bearer {self.token}"} if self.token else {})
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=_PATIENCE_S)
        try:
            connection.request(method, path, data, headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status >= http.client.MULTIPLE_CHOICES:
            raise RefusedError(f"{method} {path}: {answer.status} {text[:300]!r}")
        return json.loads(text)
