"""Health on real servers, and with each of them away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from redis import Redis
from sqlalchemy import Engine, text

from service.bootstrap import Container, build_container
from service.config import Settings
from service.store.health import PostgresProbe
from service.ticket_queue.keys import Keys
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.health import Health, HealthReport, HealthStatus

NOWHERE = {"database_url": "postgresql+psycopg2://nobody@127.0.0.1:1/none", "redis_url": "redis://127.0.0.1:1/0"}


def with_away(settings: Settings, *names: str) -> Iterator[HealthReport]:
    built = build_container(settings.model_copy(update={name: NOWHERE[name] for name in names}))
    yield built.health.check()
    built.close()


@pytest.fixture
def probe(engine: Engine) -> PostgresProbe:
    return PostgresProbe(engine)


def test_everything_there_is_ok(container: Container) -> None:
    report = container.health.check()
    assert report.status is HealthStatus.OK
    assert list(report.parts) == ["postgresql", "schema", "redis"]
    assert all(part.ok and part.detail == "" and part.ms > 0 for part in report.parts.values())


def test_the_check_takes_nothing_from_the_queue_and_leaves_nothing(container: Container, redis_client: Redis) -> None:
    before = sorted(redis_client.keys())
    container.health.check()
    assert sorted(redis_client.keys()) == before


def test_without_redis_the_service_is_degraded(settings: Settings) -> None:
    for report in with_away(settings, "redis_url"):
        assert report.status is HealthStatus.DEGRADED
        assert not report.parts["redis"].ok
        assert "did not answer" in report.parts["redis"].detail


def test_a_queue_key_of_a_wrong_type_is_noticed_by_the_round_trip(
    container: Container, redis_client: Redis, keys: Keys
) -> None:
    redis_client.set(keys.claims, "oops")
    assert container.health.check().status is HealthStatus.DEGRADED


def test_without_postgresql_the_service_is_down(settings: Settings) -> None:
    for report in with_away(settings, "database_url", "redis_url"):
        assert report.status is HealthStatus.DOWN
        assert report.parts["schema"].detail == "PostgreSQL is away"
        assert not any(part.ok for part in report.parts.values())


@pytest.mark.parametrize(("revision", "status"), [("0000", HealthStatus.DOWN), (None, HealthStatus.DOWN)])
def test_a_schema_that_is_not_migrated_is_down(
    revision: str | None, status: HealthStatus, probe: PostgresProbe, queue: RedisTicketQueue
) -> None:
    class Behind(PostgresProbe):
        def schema(self):  # type: ignore[no-untyped-def]
            return replace(probe.schema(), present=revision, fits=False)

    report = Health(store=Behind(probe._engine), queue=queue).check()
    assert report.status is status
    assert "run `fairdeal db upgrade`" in report.parts["schema"].detail


def test_the_schema_fits_at_the_head_and_beyond_and_not_before(engine: Engine, probe: PostgresProbe) -> None:
    at_head = probe.schema()
    assert at_head.fits
    assert at_head.present == at_head.head
    try:
        _set_revision(engine, "9999_newer")
        assert probe.schema().fits
        _set_revision(engine, None)
        assert not probe.schema().fits
        assert probe.schema().present is None
    finally:
        _set_revision(engine, at_head.present)


def _set_revision(engine: Engine, revision: str | None) -> None:
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM alembic_version"))
        if revision is not None:
            connection.execute(text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": revision})
