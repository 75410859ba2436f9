"""Traces: what a request, a job and their children are told to, where OTEL_EXPORTER_OTLP_ENDPOINT says where to.

Without it there is no tracer at all: nothing of OpenTelemetry is imported, and no hook is set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Protocol

from service.config import ConfigurationError

if TYPE_CHECKING:
    from service.config import Settings

TRACER = "fairdeal_tracer"
"""The option of an engine that holds its tracer, for statements that pass its events by."""

Attributes = Mapping[str, str | int | float | bool]


class Span(Protocol):
    """Something that began, and will end. Names of attributes are those of OpenTelemetry's conventions."""

    def end(self, attributes: Attributes | None = None, *, error: str | None = None) -> None:
        """End it: well, or with an `error`."""


class Tracer(Protocol):
    """Tell of spans. Nothing here may fail for want of a collector."""

    def root(self, name: str, attributes: Attributes, *, parent: Mapping[str, str], of_job: bool = False) -> Span:
        """Begin the span of a request, or of a job: what begins before it ends is part of it.

        `parent` holds the headers of W3C Trace Context, if whoever asked sent them.
        """

    def child(self, name: str, attributes: Attributes) -> Span | None:
        """Begin the span of a call to a server; None where it is part of nothing that is being told of."""

    def close(self) -> None:
        """Send what is left, for two seconds at the most."""


def make_tracer(settings: Settings, component: str) -> Tracer | None:
    """Make the tracer of a process, if traces are wanted. Raises `ConfigurationError` where the library is missing."""
    if settings.otel_exporter_otlp_endpoint is None:
        return None
    try:
        from service.otel import OtelTracer
    except ImportError as exc:
        raise ConfigurationError(
            [
                f"OTEL_EXPORTER_OTLP_ENDPOINT: traces need what requirements-otel.txt lists ({exc}); "
                "pip install -r requirements-otel.txt, or leave the variable unset"
            ]
        ) from exc
    return OtelTracer(endpoint=settings.otel_exporter_otlp_endpoint, component=component)


@contextmanager
def ended(span: Span) -> Iterator[None]:
    """End a span when the block does, and say what the block failed with."""
    try:
        yield
    except BaseException as exc:
        span.end(error=type(exc).__name__)
        raise
    span.end()


def around(span: Span | None) -> AbstractContextManager[None]:
    """Do as `ended` does; nothing where there is no span."""
    return nullcontext() if span is None else ended(span)
