"""One `./scripts/run` as a test sees it: the real script, real servers, real signals."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shlex
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.ports import free_port
from scripts.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
READY_S = 90.0
STOP_S = 60.0

PARTS = {
    "web": "-m gunicorn",
    "worker": "-m workers worker",
    "messenger": "-m workers messenger",
    "clock": "-m workers clock",
    "PostgreSQL": "bin/postgres",
    "Valkey": "valkey-server",
}


class Run:
    """One `./scripts/run`, with its data in a directory of its own."""

    def __init__(self, var_dir: Path, log: Path, **environ: str) -> None:
        self.var_dir = var_dir
        self.port = int(environ.get("PORT") or free_port())
        self._log = log
        self._from = log.stat().st_size if log.exists() else 0
        foreign = ("DATABASE_URL", "REDIS_URL", "JWT_SECRET_KEY", "ADMIN_USERNAME", "ADMIN_PASSWORD", "HOST")
        inherited = {name: value for name, value in os.environ.items() if name not in foreign}
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                [ROOT / "scripts" / "run"],
                env={**inherited, "VAR_DIR": str(var_dir), "PORT": str(self.port), "WEB_WORKERS": "1", **environ},
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self._log.read_bytes()[self._from :].decode()

    def until(self, condition: Callable[[], bool], what: str, timeout_s: float = READY_S) -> None:
        assert wait_until(condition, timeout_s, pause_s=0.05), f"{what} did not happen:\n{self.said[-4000:]}"

    def ready(self) -> Run:
        self.until(lambda: "Fairdeal is ready" in self.said or self.process.poll() is not None, "readiness")
        assert self.process.poll() is None, self.said[-4000:]
        assert self.is_ready()
        return self

    def is_ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        with contextlib.closing(connection):
            try:
                connection.request("GET", "/readyz")
                return connection.getresponse().status == 200
            except (OSError, http.client.HTTPException):
                return False

    def parts(self) -> dict[str, int]:
        """Name the process id of each part that runs as a child of the runner."""
        found: dict[str, int] = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdecimal():
                continue
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                for name, mark in PARTS.items():
                    if parent == self.process.pid and mark in command:
                        found[name] = int(entry.name)
        return found

    def stop(self, signal_number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(signal_number)
        return self.process.wait(STOP_S)

    def kept(self) -> dict[str, str]:
        """Read what the run leaves for the command line."""
        lines = (self.var_dir / "run.env").read_text().splitlines()
        return {name: shlex.split(value)[0] for name, _, value in (line.partition("=") for line in lines)}

    def call(self, method: str, path: str, body: object = None, *, token: str | None = None) -> Answer:
        """Make one HTTP request with JSON in and out."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.closing(connection):
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            content = answer.read()
            return Answer(answer.status, dict(answer.getheaders()), json.loads(content) if content else None)

    def sign_in(self, username: str, password: str) -> str:
        """Sign in and return the access token."""
        answer = self.call("POST", "/api/token", {"username": username, "password": password})
        assert answer.status == 200, answer
        return str(answer.body["access"])


class Answer:
    """What came back."""

    def __init__(self, status: int, headers: dict[str, str], body: Any) -> None:
        self.status, self.headers, self.body = status, headers, body

    def __repr__(self) -> str:
        return f"{self.status} {self.body}"
