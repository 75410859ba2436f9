"""How gunicorn serves: `gunicorn -c service/gunicorn_conf.py`. Names are gunicorn's settings and hooks."""

from __future__ import annotations

import logging.config
import os
import select
import shutil
import socket
from collections import Counter
from typing import Any

from service.config import load

_settings = load()
_metrics_dir = (_settings.var_dir / "metrics").absolute()

# prometheus_client looks at this variable once, when it is imported: hence before the imports below.
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(_metrics_dir)

import orjson  # noqa: E402
from flask import Response  # noqa: E402
from gunicorn import util  # noqa: E402
from gunicorn.glogging import Logger  # noqa: E402
from gunicorn.http.errors import ParseException  # noqa: E402
from prometheus_client import multiprocess  # noqa: E402

from service.api.errors import UnreadableBody, answer_error  # noqa: E402
from service.api.telemetry import GUARDS, NO_PAGE  # noqa: E402
from service.observability import logging_config  # noqa: E402
from service.scheduling import wait_for_turns  # noqa: E402

wsgi_app = "service.bootstrap:create_wsgi_app()"
_host = f"[{_settings.host}]" if ":" in _settings.host else _settings.host
bind = f"{_host}:{_settings.port}"
proc_name = "fairdeal-web"

worker_class = "service.leader_followers.LeaderFollowersWorker" if hasattr(select, "epoll") else "gthread"
workers = _settings.web_workers
threads = _settings.web_threads
keepalive = 5
timeout = 30
graceful_timeout = 20
"""Longer than the longest request: statements end after `STATEMENT_TIMEOUT_MS`."""

preload_app = False
"""Each worker makes its own pools; a pool made before the fork would be shared by all."""

control_socket_disable = True
"""Two services of one user would fight for the one socket in the home directory."""

accesslog = None
"""The application logs its requests itself, with route, user and request id."""


class EventLogger(Logger):  # type: ignore[misc]
    """Log what gunicorn itself has to say like everything else.

    `logconfig_dict` would do the same, but it turns the access log on.
    """

    def setup(self, cfg: Any) -> None:
        """Take gunicorn's own handlers' place."""
        super().setup(cfg)
        logging.config.dictConfig(logging_config(level=_settings.log_level, shape=_settings.log_format))


logger_class = EventLogger


def on_starting(server: Any) -> None:  # noqa: ARG001
    """Empty the directory in which the workers share their metrics: counts of dead processes are not ours."""
    shutil.rmtree(_metrics_dir, ignore_errors=True)
    _metrics_dir.mkdir(parents=True, exist_ok=True)


def post_worker_init(worker: Any) -> None:
    """Answer in JSON where a request is too broken for the application to see; gunicorn would answer in HTML."""
    util.write_error = write_problem
    worker.wsgi.register_error_handler(ParseException, answer_broken_chunks)


def pre_fork(server: Any, worker: Any) -> None:
    """Choose the CPU of a worker that is about to be made: the one that no other has.

    Only where there are as many CPUs as workers: otherwise several services of one machine would share the first few.
    """
    if not _settings.pin_workers or not hasattr(os, "sched_setaffinity"):
        return
    cpus = sorted(os.sched_getaffinity(0))
    if 1 < server.num_workers == len(cpus):
        taken = Counter(getattr(other, "cpu", None) for other in server.WORKERS.values())
        worker.cpu = min(cpus, key=lambda cpu: taken[cpu])


def post_fork(server: Any, worker: Any) -> None:  # noqa: ARG001
    """Have a worker wait for its turns (docs/adr/0049), and keep it on its CPU (0025)."""
    wait_for_turns()
    if hasattr(worker, "cpu"):
        os.sched_setaffinity(0, {worker.cpu})


def child_exit(server: Any, worker: Any) -> None:  # noqa: ARG001
    """Forget the gauges of a worker that has ended; its counters stay counted."""
    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def answer_broken_chunks(exc: Exception) -> Response:
    """Blame the client for chunks that gunicorn cannot read, which it notices when the application reads the body."""
    return answer_error(UnreadableBody(f"The body's chunks are broken: {exc}"))


def write_problem(sock: socket.socket, status_int: int, reason: str, mesg: str) -> None:
    """Answer a request that is no HTTP as RFC 9457 says; stands in for gunicorn's `util.write_error`."""
    body = orjson.dumps(
        {
            "type": "about:blank",
            "title": reason,
            "status": status_int,
            "detail": mesg[:500] or reason,
            "code": reason.lower().replace(" ", "_"),
        }
    )
    guards = "".join(f"{name}: {value}\r\n" for name, value in (GUARDS | {"Content-Security-Policy": NO_PAGE}).items())
    head = (
        f"HTTP/1.1 {status_int} {reason}\r\nConnection: close\r\nContent-Type: application/problem+json\r\n"
        f"{guards}Content-Length: {len(body)}\r\n\r\n"
    )
    util.write_nonblock(sock, head.encode("latin-1") + body)
