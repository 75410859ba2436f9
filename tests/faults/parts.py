"""The processes of a stand: each can be stopped, killed, frozen, and started again on the same port."""

from __future__ import annotations

import http.client
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from scripts import child
from scripts.embedded_server import Server as Description
from scripts.embedded_server import Start, log_tail
from scripts.ports import LOOPBACK
from scripts.waiting import wait_until

ROOT = Path(__file__).parents[2]
READY_S = 90.0


class _Process:
    """A process that is there or not."""

    name = ""
    log: Path
    _process: child.Process | None = None

    @property
    def pid(self) -> int:
        """The process id; of gunicorn, the master's."""
        assert self._process is not None, f"{self.name} does not run"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def children(self) -> list[int]:
        """Name the processes that this one has started, e.g. gunicorn's workers."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                try:
                    parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                except (OSError, IndexError):  # it has just ended
                    continue
                if parent == self.pid:
                    found.append(int(entry.name))
        return sorted(found)

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        """End it as a crash does, with all that belongs to it."""
        if self._process is not None:
            child.signal_group(self._process, signal.SIGKILL)
            self._process.wait()

    def stop(self, number: signal.Signals = signal.SIGTERM, *, within_s: float = 40.0) -> int:
        """End it by a signal and return its exit status; by force when it does not end."""
        if self._process is None:
            return 0
        return child.stop(self._process, ((signal.SIGCONT, 0.0), (number, within_s)))

    def pause(self) -> None:
        """Freeze it: it neither works nor answers, and its connections stand."""
        self.send(signal.SIGSTOP)

    def resume(self) -> None:
        self.send(signal.SIGCONT)


class Server(_Process):
    """A PostgreSQL or a Valkey of the stand's own."""

    def __init__(self, description: Description, directory: Path) -> None:
        self.description = description
        self.name, self.port, self.directory, self.log = description.name, description.port, directory, description.log

    def begin(self) -> Callable[[], None]:
        """Start it and return what waits until it answers: two can be on their way at once."""
        start = Start(self.description, may_move=False)

        def wait() -> None:
            self._process = start.wait().process

        return wait

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.begin()()

    def kill(self) -> None:
        """kill -9 of the server alone; what PostgreSQL had started ends by itself when it notices."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self, number: signal.Signals | None = None, *, within_s: float = 40.0) -> int:
        """End it by a signal, or in its own clean way."""
        if self._process is None:
            return 0
        steps = self.description.stop_steps if number is None else ((number, within_s),)
        return child.stop(self._process, ((signal.SIGCONT, 0.0), *steps))


class Part(_Process):
    """A process of the service: web, worker or clock."""

    def __init__(
        self,
        name: str,
        command: list[str],
        environ: Mapping[str, str],
        *,
        log: Path,
        port: int = 0,
        host: str = LOOPBACK,
        within: Sequence[str] = (),
        code: Path = ROOT,
    ) -> None:
        """`within` is a command to start it by, such as one that enters another host; `code` is where its code is."""
        self.name, self.command, self.environ, self.log = name, command, dict(environ), log
        self.port, self.host, self._within, self._code = port, host, within, code

    def begin(self) -> Callable[[], None]:
        """Start it and return what waits until it is up; only web can be asked."""
        said_before = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._process = child.spawn(
                [*self._within, sys.executable, "-m", *self.command], environ=self.environ, cwd=self._code, output=log
            )

        def wait() -> None:
            up = self.port == 0 or wait_until(lambda: self.answers() or not self.is_running, READY_S)
            words = log_tail(self.log, said_before)
            assert up, f"{self.name} does not answer:\n{words}"
            assert self.is_running, f"{self.name} has ended:\n{words}"

        return wait

    def start(self) -> None:
        """Start it and wait until it is up."""
        self.begin()()

    def answers(self) -> bool:
        """Say whether /healthz is answered, which needs neither PostgreSQL nor Redis."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=2)
        try:
            connection.request("GET", "/healthz", headers={"Connection": "close"})
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
