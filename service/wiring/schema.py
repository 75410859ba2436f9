"""The schema: brought to the newest revision, and where it stands."""

from __future__ import annotations

from service.config import Settings
from service.store import migrate
from service.store.engine import make_engine
from service.store.health import PostgresProbe
from service.usecases.ports.health import SchemaState


def upgrade_schema(settings: Settings) -> tuple[str | None, str | None]:
    """Bring the schema to the newest revision; return the ones before and after. Raises `StoreUnavailable`."""
    engine = make_engine(
        settings.database_url,
        statement_timeout_ms=60_000,
        pool_size=1,
        application_name="fairdeal-migrate",
        watched=False,  # a migration sets its own timeout, which may be long
        pooled=settings.database_pooler == "transaction",
    )
    try:
        return migrate.upgrade(engine)
    finally:
        engine.dispose()


def schema_state(settings: Settings) -> SchemaState:
    """Read where the schema stands. Raises `StoreUnavailable`."""
    engine = make_engine(
        settings.database_url,
        statement_timeout_ms=5_000,
        pool_size=1,
        application_name="fairdeal-schema",
        pooled=settings.database_pooler == "transaction",
    )
    try:
        return PostgresProbe(engine).schema()
    finally:
        engine.dispose()
