"""Spans of what Redis is asked: the command or the script's name, never what it is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from redis import Redis
from redis.client import Pipeline

from service.ticket_queue.scripts import LUA, script
from service.tracing import Attributes, Tracer, around


def trace_commands(client: Redis, tracer: Tracer) -> None:
    """Tell `tracer` of each command and each pipeline that the client sends."""
    scripts = {script(path.stem).sha: path.name for path in LUA.glob("*.lua")}
    run: Callable[..., Any] = client.execute_command
    pipeline: Callable[..., Pipeline] = client.pipeline

    def traced_run(*command: Any, **options: Any) -> Any:
        name = str(command[0])
        name = scripts.get(str(command[1]), name) if name == "EVALSHA" else name
        with around(tracer.child(name, {"db.system.name": "redis", "db.operation.name": str(command[0])})):
            return run(*command, **options)

    def traced_pipeline(*arguments: Any, **options: Any) -> Pipeline:
        made = pipeline(*arguments, **options)
        execute = made.execute

        def traced_execute(*given: Any, **more: Any) -> Any:
            about: Attributes = {"db.system.name": "redis", "db.operation.batch.size": len(made)}
            with around(tracer.child("PIPELINE", about)):
                return execute(*given, **more)

        made.execute = traced_execute  # type: ignore[method-assign]
        return made

    client.execute_command = traced_run  # type: ignore[method-assign]
    client.pipeline = traced_pipeline  # type: ignore[method-assign]
