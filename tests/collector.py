"""A real, little OpenTelemetry collector: takes OTLP over HTTP and remembers the spans."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class SeenSpan:
    """A span as it arrived."""

    name: str
    service: str
    trace: bytes
    id: bytes
    parent: bytes
    attributes: dict[str, Any]
    failed: bool


@dataclass
class Collector:
    """What has arrived so far, and where to send it."""

    url: str
    spans: list[SeenSpan] = field(default_factory=list)
    paths: set[str] = field(default_factory=set)

    def named(self, name: str) -> list[SeenSpan]:
        return [span for span in self.spans if span.name == name]

    def below(self, parent: SeenSpan) -> list[SeenSpan]:
        return [span for span in self.spans if (span.trace, span.parent) == (parent.trace, parent.id)]


def _read(request: ExportTraceServiceRequest) -> Iterator[SeenSpan]:
    for resource in request.resource_spans:
        named = {one.key: one.value.string_value for one in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                attributes = {
                    one.key: getattr(one.value, one.value.WhichOneof("value") or "string_value")
                    for one in span.attributes
                }
                yield SeenSpan(
                    span.name, named["service.name"], span.trace_id, span.span_id, span.parent_span_id, attributes,
                    failed=span.status.code == 2,
                )  # fmt: skip


@contextmanager
def collecting() -> Iterator[Collector]:
    """Collect until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            request = ExportTraceServiceRequest()
            request.ParseFromString(body)
            collector.paths.add(self.path)
            collector.spans.extend(_read(request))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = Collector(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
