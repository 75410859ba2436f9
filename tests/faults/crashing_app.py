"""What gunicorn serves where a crash is wanted: the real application, whose ports kill the process at a named step.

A step is `before` or `after`, a port and a method, such as "after store.claim". The file that the environment names as
FAULT_CONTROL says which one ("<nth> <step>"); it is moved away by the process that dies, so that only one does.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service import config
from service.bootstrap import build_container
from service.observability import configure_logging

if TYPE_CHECKING:
    from flask import Flask

USE_CASES = ("assignments", "tickets", "lifecycle", "users", "agents")


class Fuse:
    """Kill this process when it comes to the step that the control file names."""

    def __init__(self, control: Path) -> None:
        self._control = control
        self._passed: Counter[str] = Counter()
        self._lock = threading.Lock()

    def come_to(self, step: str) -> None:
        try:
            nth, _, wanted = self._control.read_text().partition(" ")
        except FileNotFoundError:
            return
        if wanted != step:
            return
        with self._lock:
            self._passed[step] += 1
            if self._passed[step] >= int(nth):
                self._burn()

    def _burn(self) -> None:
        with contextlib.suppress(FileNotFoundError):  # another process was faster
            self._control.rename(self._control.with_suffix(f".{os.getpid()}"))
            os.kill(os.getpid(), signal.SIGKILL)
            signal.pause()


class Wired:
    """A port with a fuse before and after each of its methods."""

    def __init__(self, name: str, port: Any, fuse: Fuse) -> None:
        self._name, self._port, self._fuse = name, port, fuse

    def __getattr__(self, method: str) -> Any:
        found = getattr(self._port, method)
        return around(f"{self._name}.{method}", found, self._fuse) if callable(found) else found


def around(step: str, call: Callable[..., Any], fuse: Fuse) -> Callable[..., Any]:
    """Put a fuse before and after a call."""

    def wired(*args: Any, **kwargs: Any) -> Any:
        fuse.come_to(f"before {step}")
        answer = call(*args, **kwargs)
        fuse.come_to(f"after {step}")
        return answer

    return wired


def create_wsgi_app() -> Flask:
    """Make the application as `service.bootstrap` does, with fuses."""
    from service.api.app import create_app

    settings = config.load()
    configure_logging(level=settings.log_level, shape=settings.log_format)
    container = build_container(settings)
    fuse = Fuse(Path(os.environ["FAULT_CONTROL"]))
    queue = container.assignments._queue
    queue._strike = around("queue.confirm", queue._strike, fuse)  # type: ignore[attr-defined]
    for use_case in (container.assignments._dealer, *(getattr(container, name) for name in USE_CASES)):
        use_case._queue = Wired("queue", use_case._queue, fuse)
        use_case._store = Wired("store", use_case._store, fuse)
    return create_app(container)
