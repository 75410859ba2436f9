"""The connections of one process to the two stores. None is made before its first use."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from redis import Redis
from sqlalchemy import Engine

from service.config import Settings
from service.job_queue import make_job_client
from service.store.engine import make_engine
from service.store.traced import trace_statements
from service.ticket_queue.client import make_client
from service.ticket_queue.keys import Keys
from service.ticket_queue.traced import trace_commands
from service.tracing import Tracer, make_tracer

BACKGROUND_PATIENCE = 12
"""How many times longer than a request the reconciler and the checks may wait for one statement or command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections:
    """To PostgreSQL and to Redis: for requests, for work in the background that may take longer, and for jobs."""

    engine: Engine
    background_engine: Engine
    replica_engine: Engine | None
    client: Redis
    background_client: Redis
    job_client: Redis
    tracer: Tracer | None

    def engines(self) -> list[Engine]:
        """List those to PostgreSQL."""
        return [self.engine, self.background_engine, *([self.replica_engine] if self.replica_engine else [])]

    def close(self) -> None:
        """Give them back."""
        for engine in self.engines():
            engine.dispose()
        for client in (self.client, self.background_client, self.job_client):
            client.close()
        if self.tracer is not None:
            self.tracer.close()


def wire_connections(settings: Settings, component: str) -> Connections:
    """Make the pools, and have them traced where traces are wanted, as those of a `component` of the service."""
    made = _connections(settings, make_tracer(settings, component))
    if made.tracer is not None:
        for engine in made.engines():
            trace_statements(engine, made.tracer)
        for client in (made.client, made.background_client, made.job_client):
            trace_commands(client, made.tracer)
    return made


def _connections(settings: Settings, tracer: Tracer | None) -> Connections:
    keys = Keys(settings.queue_prefix)
    pooled = settings.database_pooler == "transaction"
    of_requests = partial(
        make_engine,
        statement_timeout_ms=settings.statement_timeout_ms,
        pool_size=settings.web_threads,
        pooled=pooled,
    )
    replica_url = settings.replica_database_url
    return Connections(
        engine=of_requests(settings.database_url, application_name="fairdeal"),
        replica_engine=of_requests(replica_url, application_name="fairdeal-lists") if replica_url else None,
        background_engine=make_engine(
            settings.database_url,
            statement_timeout_ms=BACKGROUND_PATIENCE * settings.statement_timeout_ms,
            pool_size=2,
            application_name="fairdeal-background",
            pooled=pooled,
        ),
        client=make_client(settings.redis_url, timeout_ms=settings.redis_timeout_ms, keys=keys),
        background_client=make_client(
            settings.redis_url, timeout_ms=BACKGROUND_PATIENCE * settings.redis_timeout_ms, keys=keys
        ),
        job_client=make_job_client(settings.jobs_url, timeout_ms=settings.redis_timeout_ms),
        tracer=tracer,
    )
