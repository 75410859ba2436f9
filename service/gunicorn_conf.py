"""How gunicorn serves: `gunicorn -c python:service.gunicorn_conf`. Names are gunicorn's settings and hooks."""

from __future__ import annotations

import os
import shutil
from typing import Any

from service.config import load

_settings = load()
_metrics_dir = (_settings.var_dir / "metrics").absolute()

# prometheus_client looks at this variable once, when it is imported: hence before the import below.
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(_metrics_dir)

from prometheus_client import multiprocess  # noqa: E402

from service.observability import logging_config  # noqa: E402

wsgi_app = "service.bootstrap:create_wsgi_app()"
bind = f"{_settings.host}:{_settings.port}"
proc_name = "fairdeal-web"

worker_class = "gthread"
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

logconfig_dict = logging_config(level=_settings.log_level, shape=_settings.log_format)


def on_starting(server: Any) -> None:  # noqa: ARG001
    """Empty the directory in which the workers share their metrics: counts of dead processes are not ours."""
    shutil.rmtree(_metrics_dir, ignore_errors=True)
    _metrics_dir.mkdir(parents=True, exist_ok=True)


def child_exit(server: Any, worker: Any) -> None:  # noqa: ARG001
    """Forget the gauges of a worker that has ended; its counters stay counted."""
    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
