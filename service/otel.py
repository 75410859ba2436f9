"""Traces by OpenTelemetry's own library, by OTLP over HTTP: see `service.tracing`. Imported only where wanted."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import Token

from opentelemetry import context as current
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from service.origin import traceparent
from service.tracing import Attributes

EXPORT_TIMEOUT_S = 2.0
"""How long the collector may take. The process of a job waits for it at the end, that of a request never."""

SERVICE = "fairdeal"

_PROPAGATOR = TraceContextTextMapPropagator()


class OtelSpan:
    """A span under way, which is the present one of its thread if it came with a `place`."""

    def __init__(self, span: trace.Span, place: tuple[Token[Context], Token[str | None]] | None = None) -> None:
        self._span = span
        self._place = place

    def end(self, attributes: Attributes | None = None, *, error: str | None = None) -> None:
        """End it, and be the present one no more."""
        if attributes:
            self._span.set_attributes(attributes)
        if error is not None:
            self._span.set_attribute("error.type", error)
            self._span.set_status(StatusCode.ERROR)
        self._span.end()
        if self._place is not None:
            of_span, of_parent = self._place
            traceparent.reset(of_parent)
            current.detach(of_span)


class OtelTracer:
    """Tell a collector of spans, by a thread that sends them in batches. OTEL_TRACES_SAMPLER and the like count."""

    def __init__(self, *, endpoint: str, component: str) -> None:
        named = Resource.create({"service.namespace": SERVICE})
        if str(named.attributes.get("service.name", "unknown_service")).startswith("unknown_service"):
            named = named.merge(Resource({"service.name": f"{SERVICE}-{component}"}))
        self._provider = TracerProvider(resource=named, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_TIMEOUT_S)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer(SERVICE)

    def root(self, name: str, attributes: Attributes, *, parent: Mapping[str, str], of_job: bool = False) -> OtelSpan:
        """Begin the span of a request or a job, as the present one."""
        kind = SpanKind.CONSUMER if of_job else SpanKind.SERVER
        within = _PROPAGATOR.extract({name.lower(): value for name, value in parent.items()}, context=Context())
        span = self._tracer.start_span(name, context=within, kind=kind, attributes=dict(attributes))
        here = trace.set_span_in_context(span, within)
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier, here)
        return OtelSpan(span, (current.attach(here), traceparent.set(carrier.get("traceparent"))))

    def child(self, name: str, attributes: Attributes) -> OtelSpan | None:
        """Begin a span below the present one, if that is being told of."""
        if not trace.get_current_span().is_recording() and not trace.get_current_span().get_span_context().is_valid:
            return None
        return OtelSpan(self._tracer.start_span(name, kind=SpanKind.CLIENT, attributes=dict(attributes)))

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()
