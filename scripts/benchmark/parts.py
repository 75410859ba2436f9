"""The processes that are measured: web servers under gunicorn, and the service's workers and clock."""

from __future__ import annotations

import http.client
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from scripts import child
from scripts.embedded_server import log_tail
from scripts.ports import LOOPBACK
from scripts.service_parts import COMMANDS, STOP_STEPS
from scripts.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
_READY_S = 60.0


class PartFailedError(Exception):
    """Say which process did not start, with the end of its log."""


@dataclass
class Part:
    """One process (with its children) while entered. `port` 0: it listens nowhere."""

    name: str
    command: list[str]
    environ: Mapping[str, str] = field(repr=False)
    log: Path
    port: int = 0
    stop_steps: child.StopSteps = STOP_STEPS["web"]
    _process: child.Process = field(init=False, repr=False)

    @property
    def pid(self) -> int:
        """Return the process id; of gunicorn, the master's."""
        return self._process.pid

    def __enter__(self) -> Self:
        """Start it and wait until it answers. Raises `PartFailedError`."""
        with self.log.open("ab") as log:
            self._process = child.spawn(
                [sys.executable, "-m", *self.command], environ=self.environ, cwd=ROOT, output=log
            )
        try:
            self._await_answer()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop it in its own clean way; by force when it does not."""
        child.stop(self._process, self.stop_steps)

    def _await_answer(self) -> None:
        if self.port:
            wait_until(lambda: self._answers() or self._process.poll() is not None, _READY_S)
        if self._process.poll() is not None or (self.port and not self._answers()):
            raise PartFailedError(f"{self.name} does not answer; the end of its log:\n{log_tail(self.log)}")

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=5)
        try:
            connection.request("GET", "/healthz", headers={"Connection": "close"})
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def web(name: str, app: str, environ: Mapping[str, str], *, port: int, directory: Path) -> Part:
    """Describe a web server of `app` under the service's own gunicorn configuration."""
    command = ["gunicorn", "-c", "service/gunicorn_conf.py", app]
    told = {**environ, "PORT": str(port), "VAR_DIR": str(directory / f"var-{name}")}
    return Part(name, command, told, directory / f"{name}.log", port=port)


def background(environ: Mapping[str, str], *, directory: Path) -> list[Part]:
    """Describe what runs beside the web server: worker, messenger and clock."""
    return [
        Part(name, COMMANDS[name], environ, directory / f"{name}.log", stop_steps=STOP_STEPS[name])
        for name in COMMANDS
        if name != "web"
    ]
