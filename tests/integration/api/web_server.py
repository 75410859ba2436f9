"""The web part as it runs: gunicorn, its processes and real sockets."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.ports import free_port
from scripts.waiting import wait_until
from service.config import Settings

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Answer:
    """What came back; `body` is JSON, or bytes where it is none."""

    status: int
    headers: dict[str, str]
    body: Any


@dataclass
class Server:
    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def call(self, method: str, path: str, body: object = None, *, token: str | None = None, **headers: str) -> Answer:
        """Send a request, its body as JSON."""
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            content = answer.read()
            is_json = "json" in (answer.getheader("Content-Type") or "")
            return Answer(answer.status, dict(answer.getheaders()), json.loads(content) if is_json else content)

    def get(self, path: str, **headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def is_ready(self) -> bool:
        try:
            return self.get("/healthz")[0] == 200
        except OSError:
            return False

    def send(self, raw: bytes) -> tuple[int, dict[str, str], bytes]:
        """Send bytes as they are and read the answer to the end."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(raw)
            with http.client.HTTPResponse(connection) as answer:
                answer.begin()
                return answer.status, dict(answer.getheaders()), answer.read()

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@contextlib.contextmanager
def serving(settings: Settings, directory: Path, **more: str) -> Iterator[Server]:
    """Run the web part on the test's servers, with `more` settings, in a directory of its own."""
    directory.mkdir(exist_ok=True)
    port, log = free_port(), directory / "gunicorn.log"
    environ = os.environ | {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "JWT_SECRET_KEY": settings.jwt_secret_key.get_secret_value(),
        "QUEUE_PREFIX": settings.queue_prefix,
        "VAR_DIR": str(directory / "var"),
        "PORT": str(port),
        "WEB_WORKERS": "2",
        "WEB_THREADS": "2",
        **more,
    }
    command = [sys.executable, "-m", "gunicorn", "-c", "service/gunicorn_conf.py"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=output, stderr=output)
    running = Server(port, process, log)
    try:
        assert wait_until(running.is_ready, 30), log.read_text()
        yield running
    finally:
        process.terminate()
        process.wait(timeout=30)
