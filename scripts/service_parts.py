"""The parts of the service: set up in order, watched together, stopped in order."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from scripts import child
from scripts.account import write_private
from scripts.closing_lines import closing_lines
from scripts.console import Console, OnLine
from scripts.data_servers import DataServers, start_missing
from scripts.embedded_server import RunningServer
from scripts.left_overs import TAG
from scripts.prepared import COMMAND, Prepared
from scripts.readiness import base_url, unready_reason
from scripts.secrets_file import kept_secrets
from scripts.stop_request import StopRequest
from scripts.supervisor import Part, Supervisor
from service.config import Settings

_PREPARE_S = 600.0
_READY_S = 60.0
_HOPELESS_FAILURES = 3

COMMANDS = {
    "web": ["gunicorn", "-c", "service/gunicorn_conf.py", "service.bootstrap:create_wsgi_app()"],
    "worker": ["workers", "worker"],
    "messenger": ["workers", "messenger"],
    "clock": ["workers", "clock"],
}
STOP_STEPS: dict[str, child.StopSteps] = {
    "web": ((signal.SIGTERM, 25.0),),  # gunicorn itself gives requests 20 s
    "worker": ((signal.SIGTERM, 15.0), (signal.SIGTERM, 5.0)),  # the second makes RQ leave its job
    "messenger": ((signal.SIGTERM, 15.0), (signal.SIGTERM, 5.0)),
    "clock": ((signal.SIGTERM, 10.0),),
}
_SERVER_STAGES = {"Valkey": 1, "PostgreSQL": 2}


class StartFailedError(Exception):
    """Say which step of the start did not succeed."""


@dataclass
class Service:
    """One run of the service in `root`, with its data in `var_dir`."""

    root: Path
    settings: Settings
    var_dir: Path
    console: Console
    supervisor: Supervisor
    stop_request: StopRequest
    _environ: dict[str, str] = field(default_factory=dict, repr=False)
    _prepared: Prepared = field(default_factory=Prepared)

    def start(self, *, demo: bool) -> None:
        """Start everything and wait until it is ready.

        Raises `StartFailedError` and what `start_missing` raises; `StopRequestedError` when asked to stop.
        """
        started = time.monotonic()
        secrets = kept_secrets(self.var_dir / "secrets.json")
        servers = start_missing(
            self.var_dir,
            os.environ,
            secrets,
            adopt=self._adopt,
            console=self.console,
            check=self._turn,
            avoid_port=self.settings.port,
        )
        self._environ = self._environment(servers, os.environ.get("JWT_SECRET_KEY") or secrets.jwt_secret_key)
        self._write_run_env()
        self._prepare(demo=demo)
        # Only the first admin's making needs it, and that is done.
        self._environ.pop("ADMIN_PASSWORD", None)
        for name in COMMANDS:
            self.supervisor.add(Part(name, self._spawner(name), STOP_STEPS[name]))
        self._await_ready()
        url = base_url(self.settings.host, self.settings.port)
        elapsed_s = time.monotonic() - started
        self.console.show(closing_lines(url, self.var_dir, self._prepared, elapsed_s=elapsed_s))
        self._prepared = Prepared()

    def keep_running(self) -> None:
        """Watch over the parts. Raises `StopRequestedError` when asked to stop."""
        while True:
            self.supervisor.turn()
            self.stop_request.check()

    def stop(self) -> None:
        """Stop whatever has been started."""
        self.supervisor.stop()
        if self._prepared.password:
            # It was not shown yet, nobody can look it up, and it will not be made again.
            self.console.show(f"Log in: {self._prepared.login}")
        (self.var_dir / "run.env").unlink(missing_ok=True)

    def _turn(self) -> None:
        self.supervisor.turn(0.0)
        self.stop_request.check()

    def _adopt(self, running: RunningServer) -> None:
        server = running.server
        part = Part(server.name, server.spawn, server.stop_steps, stage=_SERVER_STAGES[server.name])
        self.supervisor.add(part, running.process)

    def _environment(self, servers: DataServers, jwt_secret_key: str) -> dict[str, str]:
        return {
            **os.environ,
            "DATABASE_URL": servers.database_url,
            "REDIS_URL": servers.redis_url,
            "JWT_SECRET_KEY": jwt_secret_key,
            "WEAK_SECRETS": self.settings.weak_secrets,
            "VAR_DIR": str(self.var_dir),
            "PYTHONPATH": str(self.root),
            "PYTHONUNBUFFERED": "1",
            TAG: str(self.var_dir),
        }

    def _write_run_env(self) -> None:
        """Leave the settings of this run to the command line.

        What is not set is left empty, which counts as not set, whatever the shell of the command says. The admin's
        password is no setting of the running service (it is dropped once the admin is there) and stays off the disk.
        """
        names = [name.upper() for name in Settings.model_fields if name != "admin_password"]
        lines = "".join(f"{name}={shlex.quote(self._environ.get(name, ''))}\n" for name in names)
        write_private(self.var_dir / "run.env", lines, None)

    def _spawn(self, name: str, module: list[str], on_line: OnLine | None = None) -> child.Process:
        process = child.spawn(
            [sys.executable, "-m", *module], environ=self._environ, cwd=self.root, output=subprocess.PIPE
        )
        if process.stdout is not None:
            self.console.follow(name, process.stdout, on_line)
        return process

    def _spawner(self, name: str) -> Callable[[], child.Process]:
        return lambda: self._spawn(name, COMMANDS[name])

    def _prepare(self, *, demo: bool) -> None:
        """Migrate and make the first accounts."""

        def on_line(line: str) -> None:
            if not self._prepared.take(line):
                self.console.say("setup", line)

        process = self._spawn("setup", [*COMMAND, *(["--demo"] if demo else [])], on_line)
        deadline = time.monotonic() + _PREPARE_S
        try:
            while process.poll() is None and time.monotonic() < deadline:
                self.console.turn(0.05)
                self._turn()
        finally:
            status = child.stop(process, ((signal.SIGTERM, 5.0),), turn=self.console.turn)
            self.console.turn()
        if status != 0:
            raise StartFailedError(f"the database could not be brought up to date (status {status}, see above)")

    def _await_ready(self) -> None:
        deadline = time.monotonic() + _READY_S
        warned = False
        while (reason := unready_reason(self.settings.host, self.settings.port)) is not None:
            if self.supervisor.failures("web") >= _HOPELESS_FAILURES:
                raise StartFailedError("the web server does not start (see above)")
            if not warned and time.monotonic() > deadline:
                self.console.say("run", f"still not ready: {reason}")
                warned = True
            self.supervisor.turn(0.05)
            self.stop_request.check()
