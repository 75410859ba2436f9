"""What the doctor makes of facts: each thing that is wrong is found, and comes with what would mend it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from service.config import load
from service.usecases import doctor_checks as checks
from service.usecases.doctor import Verdict, verdict
from service.usecases.doctor_checks import MIB, Finding, Level, Needs
from service.usecases.ports.archive import SweepState
from service.usecases.ports.doctor import DatabaseFacts, HostFacts, RedisFacts
from service.usecases.ports.health import SchemaState
from service.usecases.ports.operations import JobsState, LaneState, WorkerState
from service.wiring.doctor import needs

NEEDS = Needs(
    connections=50,
    secret="kX93hf-Qm72lpWz_04bTsYvR8uNcDjEa",
    is_public=False,
    cookies_always_secure=False,
    open_ways=(),
    archive_after_days=90,
)
DATABASE = DatabaseFacts(
    version="PostgreSQL 18.6", version_number=180_006, clock_s=0.0, is_standby=False, connections=7, size_bytes=9 * MIB,
    settings={
        "fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "max_connections": "100",
        "superuser_reserved_connections": "3",
    },
)  # fmt: skip
REDIS = RedisFacts(
    version="Valkey 9.1", clock_s=0.0, role="master", maxmemory_bytes=0, used_bytes=MIB, eviction="noeviction",
    keeps=True, write_error="", evicted=0,
)  # fmt: skip
HOST = HostFacts(clock_s=0.0, disk_free_bytes=50_000 * MIB, disk_bytes=100_000 * MIB, versions="Fairdeal 0.1.0")


def set_to(**settings: str) -> DatabaseFacts:
    return replace(DATABASE, settings=DATABASE.settings | settings)


def worst(findings: Iterable[Finding]) -> tuple[Level, str]:
    listed = list(findings)
    for level in (Level.ERROR, Level.WARNING):
        for one in listed:
            if one.level is level:
                assert one.mend, one
                return level, f"{one.says} {one.mend}"
    assert not any(one.mend for one in listed)
    return Level.OK, ""


@pytest.mark.parametrize(
    ("facts", "level", "words"),
    [
        (DATABASE, Level.OK, ""),
        (set_to(fsync="off"), Level.ERROR, "ALTER SYSTEM SET fsync = on"),
        (set_to(full_page_writes="off"), Level.ERROR, "full_page_writes"),
        (set_to(synchronous_commit="off"), Level.ERROR, "synchronous_commit"),
        (set_to(synchronous_commit="local"), Level.OK, ""),
        (set_to(max_connections="52"), Level.ERROR, "49 connections for all"),
        (set_to(max_connections="53"), Level.OK, ""),
        (replace(DATABASE, is_standby=True), Level.ERROR, "standby"),
        (replace(DATABASE, version_number=120_009), Level.ERROR, "too old"),
    ],
)  # fmt: skip
def test_postgresql_is_judged(facts: DatabaseFacts, level: Level, words: str) -> None:
    found, said = worst(checks.database(facts, NEEDS))
    assert found is level
    assert words in said


@pytest.mark.parametrize(
    ("changes", "level", "words"),
    [
        ({}, Level.OK, ""),
        ({"eviction": "allkeys-lru"}, Level.WARNING, "noeviction"),
        ({"eviction": "allkeys-lru", "maxmemory_bytes": 100 * MIB}, Level.ERROR, "vanish"),
        ({"maxmemory_bytes": 100 * MIB, "used_bytes": 81 * MIB}, Level.WARNING, "81% of maxmemory"),
        ({"maxmemory_bytes": 100 * MIB, "used_bytes": 80 * MIB}, Level.OK, ""),
        ({"evicted": 3}, Level.WARNING, "fairdeal queue rebuild"),
        ({"keeps": False}, Level.WARNING, "appendonly yes"),
        ({"write_error": "aof_last_write_status"}, Level.ERROR, "make room"),
        ({"role": "slave"}, Level.ERROR, "replica"),
    ],
)  # fmt: skip
def test_redis_is_judged(changes: dict[str, object], level: Level, words: str) -> None:
    found, said = worst(checks.redis(replace(REDIS, **changes)))  # type: ignore[arg-type]
    assert found is level
    assert words in said


@pytest.mark.parametrize(("skew_s", "level"), [(0.4, Level.OK), (-1.5, Level.WARNING), (5.0, Level.ERROR)])
def test_clocks_are_compared(skew_s: float, level: Level) -> None:
    assert checks.clock("Redis", 1_000 + skew_s, 1_000).level is level


@pytest.mark.parametrize(
    ("free", "level"), [(50_000 * MIB, Level.OK), (900 * MIB, Level.WARNING), (100 * MIB, Level.ERROR)]
)
def test_the_disk_is_judged(free: int, level: Level) -> None:
    assert worst(checks.host(replace(HOST, disk_free_bytes=free, disk_bytes=2 * free)))[0] is level


def test_a_disk_that_is_nearly_full_is_warned_of_however_large() -> None:
    assert worst(checks.host(replace(HOST, disk_free_bytes=4_000 * MIB)))[0] is Level.WARNING


@pytest.mark.parametrize(
    ("changes", "level", "words"),
    [
        ({}, Level.OK, ""),
        ({"secret": "a" * 40}, Level.ERROR, "easy to guess"),
        ({"open_ways": ("PostgreSQL", "Redis")}, Level.WARNING, "PostgreSQL and Redis on another machine without TLS"),
        ({"is_public": True}, Level.WARNING, "SECURE_COOKIES=always"),
        ({"is_public": True, "cookies_always_secure": True}, Level.OK, ""),
    ],
)  # fmt: skip
def test_settings_are_judged(changes: dict[str, object], level: Level, words: str) -> None:
    found, said = worst(checks.settings(replace(NEEDS, **changes)))  # type: ignore[arg-type]
    assert found is level
    assert words in said


def a_worker(lane: str, *, heard_s: float) -> WorkerState:
    return WorkerState(
        name="w", lane=lane, state="idle", job=None, heard_at=datetime.now(UTC) - timedelta(seconds=heard_s),
        since=None, done=1, failed=0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("workers", "failed", "level", "words"),
    [
        ({"messages": 3}, 0, Level.OK, ""),
        ({"messages": 3}, 2, Level.WARNING, "2 have failed"),
        ({"messages": 95}, 0, Level.ERROR, ", last heard of "),
        ({"reconcile": 3}, 0, Level.ERROR, "python -m workers messenger"),
        ({}, 0, Level.ERROR, "python -m workers messenger"),
    ],
)
def test_workers_are_judged(workers: dict[str, float], failed: int, level: Level, words: str) -> None:
    lanes = (LaneState(lane="messages", waiting=0, running=0, failed=failed),)
    heard = tuple(a_worker(lane, heard_s=heard_s) for lane, heard_s in workers.items())
    found, said = worst(checks.jobs(JobsState(workers=heard, lanes=lanes)))
    assert found is level
    assert words in said


def test_the_schema_and_the_clock_are_judged() -> None:
    assert checks.schema(SchemaState(present="0015", head="0015", fits=True)).level is Level.OK
    old = checks.schema(SchemaState(present="0014", head="0015", fits=False))
    assert (old.level, old.mend) == (Level.ERROR, "fairdeal db upgrade")
    assert checks.clock_process("host:7").level is Level.OK
    assert checks.clock_process(None).level is Level.ERROR


def test_the_worst_finding_is_the_verdict() -> None:
    well, warned, ill = (Finding("x", level, "") for level in (Level.OK, Level.WARNING, Level.ERROR))
    assert verdict([well]) is Verdict.WELL
    assert verdict([well, warned]) is Verdict.WARNED
    assert verdict([ill, warned]) is Verdict.ILL


@pytest.mark.parametrize(
    ("database", "redis", "expected"),
    [
        ("postgresql://a:b@127.0.0.1:5432/f", "redis://:x@localhost:6379/0", ()),
        ("postgresql://a:b@/f?host=/run/postgresql", "unix:///run/redis.sock", ()),
        ("postgresql://a:b@db.example/f", "redis://:x@[::1]:6379/0", ("PostgreSQL",)),
        ("postgresql://a:b@db.example/f?sslmode=require", "rediss://:x@redis.example:6379/0", ()),
        ("postgresql://a:b@127.0.0.1:5432,db.example:5432/f", "redis+sentinel://s1:1,s2:2/mymaster",
         ("PostgreSQL", "Redis")),
        ("postgresql://a:b@localhost:5432,127.0.0.1:5433/f", "redis+sentinel://localhost:1,127.0.0.1:2/mymaster", ()),
    ],
)  # fmt: skip
def test_ways_to_other_machines_without_tls_are_seen(database: str, redis: str, expected: tuple[str, ...]) -> None:
    environ = {"DATABASE_URL": database, "REDIS_URL": redis, "JWT_SECRET_KEY": "x" * 32, "WEAK_SECRETS": "allowed"}
    settings = load(environ)
    assert needs(settings).open_ways == expected


@pytest.mark.parametrize(("query", "expected"), [("", ("its replica",)), ("?sslmode=require", ())])
def test_the_way_to_a_replica_is_judged_too(query: str, expected: tuple[str, ...]) -> None:
    environ = {
        "DATABASE_URL": "postgresql://u@localhost/x",
        "REPLICA_DATABASE_URL": f"postgresql://u@db-2.example/x{query}",
        "REDIS_URL": "redis://localhost/0",
        "JWT_SECRET_KEY": "x" * 32,
        "WEAK_SECRETS": "allowed",
    }
    assert needs(load(environ)).open_ways == expected


@pytest.mark.parametrize(
    ("waiting", "behind_s", "level"),
    [(0, None, Level.OK), (7, 3_600.0, Level.OK), (7, 200_000.0, Level.WARNING), (0, 200_000.0, Level.OK)],
)
def test_archiving_is_judged_by_how_long_the_first_ticket_has_been_due(
    waiting: int, behind_s: float | None, level: Level
) -> None:
    state = SweepState(what="archive", done=3, waiting=waiting, behind_s=behind_s, ended_s=20.0)
    assert worst([checks.archive([state], NEEDS)])[0] is level
    assert checks.archive([state], replace(NEEDS, archive_after_days=0)).level is Level.OK
    assert checks.archive([], NEEDS).level is Level.OK
