"""Spans of the statements that PostgreSQL is given: their text, never their values."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, event

from service.tracing import TRACER, Span, Tracer

_KEY = "fairdeal.span"


def trace_statements(engine: Engine, tracer: Tracer) -> None:
    """Tell `tracer` of each statement that the engine runs."""

    def begin(connection: Any, _cursor: object, text: str, _values: object, _context: object, _many: bool) -> None:
        words = text.split(None, 1)
        name = words[0].upper() if words else "statement"
        span = tracer.child(name, {"db.system.name": "postgresql", "db.query.text": text.strip()})
        connection.info[_KEY] = span

    def finish(connection: Any, *_: object) -> None:
        _end(connection.info, None)

    def fail(context: Any) -> None:
        if context.connection is not None:
            _end(context.connection.info, type(context.original_exception).__name__)

    engine.update_execution_options(**{TRACER: tracer})
    event.listen(engine, "before_cursor_execute", begin)
    event.listen(engine, "after_cursor_execute", finish)
    event.listen(engine, "handle_error", fail)


def _end(info: dict[str, Any], error: str | None) -> None:
    span: Span | None = info.pop(_KEY, None)
    if span is not None:
        span.end(error=error)
