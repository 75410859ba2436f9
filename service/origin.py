"""Where work comes from: what a job is told of the request that called for it, and takes up again where it runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from service.observability import request_id

traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)
"""The span that is under way, as W3C Trace Context writes it; None unless traces are kept."""

_TOLD = {"request_id": request_id, "traceparent": traceparent}


def told() -> dict[str, str]:
    """Gather what a job that is enqueued here is to be told; nothing where no request is being served."""
    return {name: value for name, variable in _TOLD.items() if (value := variable.get()) is not None}


@contextmanager
def of(told: Mapping[str, object]) -> Iterator[None]:
    """Work on behalf of the request that `told` tells of: log lines carry its id, spans join its trace."""
    tokens = [(variable, variable.set(_text(told.get(name)))) for name, variable in _TOLD.items()]
    try:
        yield
    finally:
        for variable, token in reversed(tokens):
            variable.reset(token)


def _text(value: object) -> str | None:
    """Take text alone: a job's hash in Redis may hold anything."""
    return value if isinstance(value, str) else None
