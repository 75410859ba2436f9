"""What the running service says about itself: log events with fields, request ids, metrics.

Any layer logs through the standard library, an event's name and its fields:
`logger.info("ticket_claimed", extra={"ticket_id": 7})`.
"""

from __future__ import annotations

import logging
import logging.config
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal

import orjson
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the HTTP request being served, where one is; every log line carries it."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "request_id"}
"""What a log record holds by itself; everything else is a field of the event."""

_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """Gather an event's fields in the order in which a person would want to read them."""
    fields: dict[str, Any] = {
        "at": datetime.fromtimestamp(record.created, UTC),
        "level": record.levelname.lower(),
        "event": record.getMessage(),
        "logger": record.name,
    }
    said = vars(record)
    current = said["request_id"] if "request_id" in said else request_id.get()
    if current is not None:
        fields["request_id"] = current
    fields |= {key: value for key, value in said.items() if key not in _STANDARD}
    if record.exc_info and record.exc_info[0] is not None:
        fields["exception"] = "".join(traceback.format_exception(*record.exc_info))
    return fields


class JsonFormatter(logging.Formatter):
    """Write one JSON object for each event."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the event; what JSON cannot hold becomes text."""
        return orjson.dumps(_fields(record), default=str, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS).decode()


class TextFormatter(logging.Formatter):
    """Write one line for each event, for a person at a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Write time, level, event, then the fields as `name=value`."""
        fields = _fields(record)
        at: datetime = fields.pop("at")
        exception = fields.pop("exception", None)
        head = f"{at:%H:%M:%S} {fields.pop('level'):<7} {fields.pop('event')}"
        line = " ".join([head, *(f"{key}={value}" for key, value in fields.items())])
        return f"{line}\n{exception}" if exception else line


def logging_config(*, level: str, shape: Literal["json", "text"], gathers: bool = False) -> dict[str, Any]:
    """Describe the logging of a process for `logging.config.dictConfig`: everything to stderr, in one shape.

    With `gathers`, by a thread that writes a few lines at a time (`service.gathered_log`).
    """
    handler = "service.gathered_log.GatheringHandler" if gathers else "logging.StreamHandler"
    formatter = JsonFormatter if shape == "json" else TextFormatter
    to_stderr = {"handlers": ["stderr"], "propagate": False, "level": level.upper()}
    silent = {"handlers": [], "propagate": False, "level": "CRITICAL"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"event": {"()": formatter}},
        "handlers": {"stderr": {"class": handler, "formatter": "event"}},
        "root": {"handlers": ["stderr"], "level": level.upper()},
        "loggers": {"gunicorn.error": to_stderr, "gunicorn.access": silent, "alembic": {"level": "WARNING"}},
    }


def configure_logging(*, level: str, shape: Literal["json", "text"], gathers: bool = False) -> None:
    """Make this process log as `logging_config` describes, without looking for what no line shows."""
    logging._srcfile = None  # as the logging HOWTO has it under "Optimization"
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.config.dictConfig(logging_config(level=level, shape=shape, gathers=gathers))


class HttpMetrics:
    """Count and time HTTP requests by method, route and status."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "fairdeal_http_requests", "HTTP requests answered", ["method", "route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "fairdeal_http_request_seconds", "Time from request to answer",
            ["method", "route"], registry=self._registry, buckets=_BUCKETS_S,
        )  # fmt: skip

        self._fetches = Counter(
            "fairdeal_fetches", "Fetches answered, by the path that dealt", ["served_by"], registry=self._registry
        )
        self._assigned = Counter("fairdeal_tickets_assigned", "Tickets dealt by fetches", registry=self._registry)

        self._bound: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def count_fetch(self, *, served_by: str, assigned: int) -> None:
        """Record one fetch: which path dealt, and how many tickets."""
        self._fetches.labels(served_by).inc()
        if assigned:
            self._assigned.inc(assigned)

    def observe(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """Record one answered request. `route` is the rule that matched, never the path: ids would have no end."""
        bound = self._bound.get((method, route, status))
        if bound is None:
            children = (self._requests.labels(method, route, str(status)), self._seconds.labels(method, route))
            bound = self._bound[method, route, status] = children
        requests, durations = bound
        requests.inc()
        durations.observe(seconds)

    def exposition(self, *more: Collector) -> bytes:
        """Write all metrics in the Prometheus text format, of all web processes together where there are several.

        `more` collects what is no process's own, such as the state of the queue.
        """
        state = CollectorRegistry()
        for collector in more:
            state.register(collector)
        return generate_latest(self._shared() or self._registry) + generate_latest(state)

    @staticmethod
    def _shared() -> CollectorRegistry | None:
        """Read what all processes of this server have written, where they share a directory for it."""
        registry = CollectorRegistry()
        try:
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        except ValueError:  # raised when PROMETHEUS_MULTIPROC_DIR is not set: this process is the only one
            return None
        return registry
