"""The connections of one process to the two stores. None is made before its first use."""

from __future__ import annotations

from dataclasses import dataclass

from redis import Redis
from sqlalchemy import Engine

from service.config import Settings
from service.job_queue import make_job_client
from service.store.engine import make_engine
from service.ticket_queue.client import make_client

BACKGROUND_PATIENCE = 12
"""How many times longer than a request the reconciler and the checks may wait for one statement or command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections:
    """To PostgreSQL and to Redis: for requests, for work in the background that may take longer, and for jobs."""

    engine: Engine
    background_engine: Engine
    client: Redis
    background_client: Redis
    job_client: Redis

    def close(self) -> None:
        """Give them back."""
        for engine in (self.engine, self.background_engine):
            engine.dispose()
        for client in (self.client, self.background_client, self.job_client):
            client.close()


def wire_connections(settings: Settings) -> Connections:
    """Make the pools."""
    return Connections(
        engine=make_engine(
            settings.database_url,
            statement_timeout_ms=settings.statement_timeout_ms,
            pool_size=settings.web_threads,
            application_name="fairdeal",
            prepares=settings.prepared_statements,
        ),
        background_engine=make_engine(
            settings.database_url,
            statement_timeout_ms=BACKGROUND_PATIENCE * settings.statement_timeout_ms,
            pool_size=2,
            application_name="fairdeal-background",
            prepares=settings.prepared_statements,
        ),
        client=make_client(settings.redis_url, timeout_ms=settings.redis_timeout_ms),
        background_client=make_client(settings.redis_url, timeout_ms=BACKGROUND_PATIENCE * settings.redis_timeout_ms),
        job_client=make_job_client(settings.redis_url, timeout_ms=settings.redis_timeout_ms),
    )
