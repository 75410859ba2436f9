"""Starting an embedded server and waiting until it answers."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from scripts import child
from scripts.ports import free_port
from scripts.waiting import Check, never_interrupted

_READY_S = 120.0
"""Recovery after a crash replays the log since the last checkpoint, which can take a while."""
_RETRY_S = 15.0
"""PostgreSQL refuses to start for about 2 s after a kill -9, until the last of its old processes has gone."""


class ServerFailedError(Exception):
    """Say that a server did not start, with the last lines of its log."""


class Server(Protocol):
    """What is known of an embedded server before it runs."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def port(self) -> int:
        """Where it listens on the loopback address."""

    @property
    def url(self) -> str:
        """Where to connect, password included."""

    @property
    def log(self) -> Path:
        """The file that it writes to."""

    @property
    def stop_steps(self) -> child.StopSteps:
        """How it is stopped."""

    @property
    def passing_failures(self) -> tuple[str, ...]:
        """Words in the log that mean: try again soon."""

    def on_port(self, port: int) -> Self:
        """Return the same server on another port."""

    def spawn(self) -> child.Process:
        """Start its process."""

    def answers(self) -> bool:
        """Say whether it can be used."""


@dataclass(frozen=True)
class RunningServer:
    """A server that answers. As a context manager, it is stopped at the end."""

    server: Server
    process: child.Process = field(repr=False)

    @property
    def url(self) -> str:
        """Return the URL to connect to, password included."""
        return self.server.url

    @property
    def pid(self) -> int:
        """Return the process id of the server."""
        return self.process.pid

    def stop(self) -> None:
        """Stop the server in its own clean way; by force when it does not."""
        child.stop(self.process, self.server.stop_steps)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


class Start:
    """A server on its way up. Several can be under way at once."""

    def __init__(self, server: Server, *, may_move: bool = True) -> None:
        """Start `server`; `may_move` allows another port when somebody else was faster to take this one."""
        self._server = server
        self._may_move = may_move
        self._log_from = _size(server.log)
        self._process = server.spawn()

    def wait(self, check: Check = never_interrupted) -> RunningServer:
        """Wait until the server answers.

        Raises `ServerFailedError` when it ends or does not answer in time; what `check` raises also ends it.
        """
        started = time.monotonic()
        try:
            while time.monotonic() < started + _READY_S:
                check()
                if self._process.poll() is not None:
                    self._try_again(time.monotonic() - started)
                elif self._server.answers():
                    return RunningServer(self._server, self._process)
                time.sleep(0.01)
        except BaseException:
            self.abandon()
            raise
        self.abandon()
        raise ServerFailedError(self._report(f"did not answer within {_READY_S:.0f} s"))

    def abandon(self) -> None:
        """Stop the server again."""
        child.stop(self._process, self._server.stop_steps)

    def _try_again(self, elapsed_s: float) -> None:
        words = log_tail(self._server.log, self._log_from)
        port_lost = "ddress already in use" in words
        passing = port_lost or any(phrase in words for phrase in self._server.passing_failures)
        if not passing or elapsed_s > _RETRY_S:
            raise ServerFailedError(self._report(f"ended with status {self._process.returncode}"))
        time.sleep(0.2)
        if port_lost and self._may_move:
            self._server = self._server.on_port(free_port(avoid=frozenset({self._server.port})))
        self._log_from = _size(self._server.log)
        self._process = self._server.spawn()

    def _report(self, event: str) -> str:
        tail = log_tail(self._server.log, self._log_from)
        return f"{self._server.name} {event}; the end of {self._server.log}:\n{tail or '(nothing)'}"


def log_tail(log: Path, offset: int = 0, *, lines: int = 15) -> str:
    """Return the last lines written to a log since `offset` bytes."""
    with contextlib.suppress(OSError), log.open("rb") as file:
        file.seek(max(offset, _size(log) - 16_384))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
    return ""


def server_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the little that a server should see of the environment: no PG* settings, no secrets."""
    kept = {name: environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "TMPDIR") if name in environ}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
