"""The doctor, wired on connections of its own: it must be able to say that there are none."""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url

from service import __version__
from service.config import Settings
from service.job_queue.watch import RqJobWatch
from service.store.archive import PostgresArchive
from service.store.doctor import PostgresLook, PostgresReplicaLook
from service.store.health import PostgresProbe
from service.store.leases import PostgresLeases
from service.ticket_queue.group_look import RedisGroupLook
from service.ticket_queue.look import RedisServerLook
from service.usecases.doctor import Doctor
from service.usecases.doctor_checks import Needs
from service.usecases.ports.doctor import HostFacts
from service.wiring.connections import wire_connections

OVERFLOW = 2
BACKGROUND = 4
"""Connections beyond `WEB_THREADS` that a pool, and the pool for work in the background, may have."""

JOB_PROCESSES = 4
"""A worker's job, its horse that stays (docs/adr/0051), a messenger's job, and the clock: a few connections each."""

LOCAL = frozenset({"", "localhost", "127.0.0.1", "::1"})


@contextmanager
def doctor(settings: Settings) -> Iterator[Doctor]:
    """Lend a doctor for the settings."""
    connections = wire_connections(settings, "doctor")
    try:
        yield Doctor(
            needs=needs(settings),
            database=PostgresLook(connections.engine),
            redis=RedisServerLook(connections.client),
            replica=PostgresReplicaLook(connections.engine, connections.replica_engine)
            if connections.replica_engine
            else None,
            groups={
                name: RedisGroupLook(url, timeout_ms=settings.redis_timeout_ms) for name, url in _redis_urls(settings)
            },
            probe=PostgresProbe(connections.engine),
            jobs=RqJobWatch(connections.job_client, prefix=settings.queue_prefix),
            leases=PostgresLeases(connections.engine),
            sweeps=PostgresArchive(connections.engine),
            host=lambda: _host(settings.var_dir),
        )
    finally:
        connections.close()


def needs(settings: Settings) -> Needs:
    """Work out what this host's settings ask for."""
    return Needs(
        connections=settings.web_workers * (settings.web_threads + OVERFLOW + BACKGROUND) + JOB_PROCESSES * BACKGROUND,
        secret=settings.jwt_secret_key.get_secret_value(),
        is_public=settings.host not in LOCAL,
        cookies_always_secure=settings.secure_cookies == "always",
        open_ways=tuple(_open_ways(settings)),
        archive_after_days=settings.archive_after_days,
    )


def _redis_urls(settings: Settings) -> Iterator[tuple[str, str]]:
    yield "REDIS_URL", settings.redis_url
    if settings.jobs_url != settings.redis_url:
        yield "JOBS_REDIS_URL", settings.jobs_url


def _open_ways(settings: Settings) -> Iterator[str]:
    if _is_open(settings.database_url):
        yield "PostgreSQL"
    if settings.replica_database_url is not None and _is_open(settings.replica_database_url):
        yield "its replica"
    scheme, _, rest = settings.redis_url.partition("://")
    servers = rest.partition("/")[0].rpartition("@")[2].split(",")
    if not scheme.startswith(("rediss", "unix")) and not all(map(_is_near, servers)):
        yield "Redis"


def _is_open(database_url: str) -> bool:
    database = make_url(database_url)
    hosts = database.query.get("host", ())
    named = [database.host or "", *([hosts] if isinstance(hosts, str) else hosts)]
    is_near = all(map(_is_near, named))
    return not is_near and database.query.get("sslmode") not in ("require", "verify-ca", "verify-full")


def _is_near(server: str) -> bool:
    """Judge `host`, `host:port` or a socket's path."""
    host = server if server.count(":") != 1 else server.partition(":")[0]
    return host.partition("]")[0].lstrip("[") in LOCAL or host.startswith("/")


def _host(var_dir: Path) -> HostFacts:
    there = next(path for path in (var_dir.absolute(), *var_dir.absolute().parents) if path.exists())
    disk = shutil.disk_usage(there)
    return HostFacts(
        clock_s=time.time(),
        disk_free_bytes=disk.free,
        disk_bytes=disk.total,
        versions=f"Fairdeal {__version__}, Python {platform.python_version()}, {platform.system()}",
    )
