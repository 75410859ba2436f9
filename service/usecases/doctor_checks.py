"""What the doctor knows: facts in, findings out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from service.usecases.ports.archive import TICKETS, SweepState
from service.usecases.ports.doctor import DatabaseFacts, HostFacts, RedisFacts
from service.usecases.ports.health import SchemaState
from service.usecases.ports.operations import JobsState

OLDEST_POSTGRESQL = 130_000
SKEW_WARNING_S = 1.0
SKEW_ERROR_S = 5.0
SILENCE_S = 60.0
ARCHIVE_BEHIND_S = 48 * 3600.0
MIB = 1024 * 1024
FEW_LETTERS = 10
"""Different characters below which a secret was surely not drawn by chance."""


class Level(StrEnum):
    """How bad it is: an error costs correctness, durability or service; a warning may come to that."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it is, in words, and what would mend it (empty when all is well)."""

    about: str
    level: Level
    says: str
    mend: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What this host's settings ask of the servers, and what they are worth."""

    connections: int
    """The connections to PostgreSQL that all processes of this host may have together."""
    secret: str
    is_public: bool
    """Whether the service listens for others than this machine."""
    cookies_always_secure: bool
    open_ways: tuple[str, ...]
    """The servers on other machines that are reached without TLS."""
    archive_after_days: int


def settings(needs: Needs) -> Iterator[Finding]:
    """Judge the settings, which are valid by now."""
    if len(set(needs.secret)) < FEW_LETTERS:
        mend = 'Draw one: python3 -c "import secrets; print(secrets.token_urlsafe(48))"; everybody signs in anew'
        yield Finding("settings", Level.ERROR, "JWT_SECRET_KEY is easy to guess, and whoever does is an admin", mend)
    if needs.open_ways:
        says = f"{' and '.join(needs.open_ways)} on another machine without TLS: whoever is on the way reads along"
        yield Finding("settings", Level.WARNING, says, "Use sslmode=require (PostgreSQL), rediss:// (Redis)")
    if needs.is_public and not needs.cookies_always_secure:
        says = "The service listens for other machines, and cookies may be sent by plain http"
        yield Finding("settings", Level.WARNING, says, "Set SECURE_COOKIES=always where https ends before the service")
    yield Finding("settings", Level.OK, "The environment is complete and valid")


def host(facts: HostFacts) -> Iterator[Finding]:
    """Judge this machine."""
    yield Finding("versions", Level.OK, facts.versions)
    free, share = facts.disk_free_bytes, facts.disk_free_bytes / max(1, facts.disk_bytes)
    says = f"{free // MIB:,} MiB of the disk with VAR_DIR are free ({share:.0%})"
    level = Level.ERROR if free < 200 * MIB else Level.WARNING if free < 1024 * MIB or share < 0.05 else Level.OK
    yield Finding("disk", level, says, "" if level is Level.OK else "Make room: logs, mails in outbox/, old backups")


def database(facts: DatabaseFacts, needs: Needs) -> Iterator[Finding]:
    """Judge PostgreSQL."""
    about = "postgresql"
    if facts.version_number < OLDEST_POSTGRESQL:
        yield Finding(about, Level.ERROR, f"{facts.version} is too old", "PostgreSQL 13 or later")
    else:
        yield Finding(about, Level.OK, f"{facts.version}, {facts.size_bytes // MIB:,} MiB of data")
    if facts.is_standby:
        yield Finding(about, Level.ERROR, "It is a standby and takes no writes", "Lead DATABASE_URL to the primary")
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        if facts.settings.get(name) == "off":
            says = f"{name} is off: a power cut may lose or damage what was acknowledged"
            yield Finding(about, Level.ERROR, says, f"ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf()")
    reserved = int(facts.settings.get("superuser_reserved_connections", 0))
    most = int(facts.settings.get("max_connections", 0)) - reserved
    says = f"{most} connections for all, {facts.connections} in use; this host's processes may want {needs.connections}"
    if most < needs.connections:
        mend = "Raise max_connections (a restart), or lower WEB_WORKERS or WEB_THREADS, or put PgBouncer before it"
        yield Finding("connections", Level.ERROR, says, mend)
    else:
        yield Finding("connections", Level.OK, says)


def schema(state: SchemaState) -> Finding:
    """Judge the schema's revision."""
    says = f"The schema is at {state.present or 'nothing'}, this version knows {state.head}"
    if state.fits:
        return Finding("schema", Level.OK, says)
    return Finding("schema", Level.ERROR, says, "fairdeal db upgrade")


def archive(states: Sequence[SweepState], needs: Needs) -> Finding:
    """Judge whether what is old makes room."""
    about = "archive"
    if not needs.archive_after_days:
        return Finding(about, Level.OK, "Nothing is archived: ARCHIVE_AFTER_DAYS is 0")
    state = next((state for state in states if state.what == TICKETS), None)
    if state is None or state.ended_s is None:
        return Finding(about, Level.OK, "Archiving has not looked for old tickets yet")
    says = f"{state.done:,} tickets were archived so far; {state.waiting:,} waited {state.ended_s:.0f} s ago"
    if state.waiting and (state.behind_s or 0.0) > ARCHIVE_BEHIND_S:
        mend = "fairdeal archive says what keeps them; the clock, a worker and a messenger must run"
        return Finding(about, Level.WARNING, f"{says}, the first for {(state.behind_s or 0.0) / 3600:.0f} h", mend)
    return Finding(about, Level.OK, says)


def redis(facts: RedisFacts) -> Iterator[Finding]:
    """Judge Redis."""
    about = "redis"
    yield Finding(about, Level.OK, f"{facts.version}, {facts.used_bytes // MIB:,} MiB in use")
    if facts.role != "master":
        yield Finding(about, Level.ERROR, "It is a replica and takes no writes", "Lead REDIS_URL to the primary")
    if facts.eviction != "noeviction":
        says = f"maxmemory-policy is {facts.eviction}: when memory runs short, queues and jobs vanish"
        level = Level.ERROR if facts.maxmemory_bytes else Level.WARNING
        yield Finding(about, level, says, "CONFIG SET maxmemory-policy noeviction, and in its configuration file")
    if facts.evicted:
        says = f"{facts.evicted:,} keys were evicted since it started"
        yield Finding(about, Level.WARNING, says, "Mend the policy, then: fairdeal queue rebuild")
    if facts.maxmemory_bytes and facts.used_bytes > 0.8 * facts.maxmemory_bytes:
        says = f"{facts.used_bytes / facts.maxmemory_bytes:.0%} of maxmemory are in use; at the end it refuses writes"
        yield Finding(about, Level.WARNING, says, "Raise maxmemory; a million queued tickets take some 6 MiB")
    if facts.write_error:
        says = f"It cannot write to disk ({facts.write_error}), and may refuse writes for that"
        yield Finding(about, Level.ERROR, says, "See its log; make room on its disk")
    if not facts.keeps:
        says = "It keeps nothing on disk: after a restart the queue is rebuilt, but jobs that waited are lost"
        yield Finding(about, Level.WARNING, says, "appendonly yes, appendfsync everysec")


def clock(of: str, theirs_s: float, ours_s: float) -> Finding:
    """Compare a server's clock with ours, read just after it."""
    skew_s = abs(theirs_s - ours_s)
    says = f"The clock of {of} and this host's are {skew_s:.2f} s apart"
    if skew_s < SKEW_WARNING_S:
        return Finding("clocks", Level.OK, says)
    level = Level.ERROR if skew_s >= SKEW_ERROR_S else Level.WARNING
    return Finding("clocks", level, says, "Run NTP on all hosts: tokens and leases are judged by these clocks")


def jobs(state: JobsState) -> Iterator[Finding]:
    """Judge the workers and what they have left."""
    now = datetime.now(UTC)
    for lane in state.lanes:
        workers = [worker for worker in state.workers if worker.lane == lane.lane]
        heard = [(now - worker.heard_at).total_seconds() for worker in workers if worker.heard_at is not None]
        says = f"{len(workers)} serve the queue {lane.lane}; {lane.waiting} jobs wait, {lane.failed} have failed"
        if not heard or min(heard) > SILENCE_S:
            silence = f", last heard of {min(heard):.0f} s ago" if heard else ""
            what = "worker" if lane.lane == "reconcile" else "messenger"
            yield Finding("workers", Level.ERROR, says + silence, f"Start it: python -m workers {what}")
        elif lane.failed:
            yield Finding(
                "workers", Level.WARNING, says, "See Operations, failed jobs: mend the cause, start them anew"
            )
        else:
            yield Finding("workers", Level.OK, says)


def clock_process(holder: str | None) -> Finding:
    """Judge whether anybody says when things are due."""
    if holder is None:
        return Finding("clock", Level.ERROR, "Nobody keeps the clock: nothing is enqueued", "python -m workers clock")
    return Finding("clock", Level.OK, f"Kept by {holder}")
