"""PostgreSQL and Redis for `run`: the ones that were given, or embedded ones."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2

from scripts.account import server_account
from scripts.console import Console
from scripts.embedded_postgres import Postgres, embedded_postgres
from scripts.embedded_server import RunningServer, Server, Start
from scripts.embedded_valkey import embedded_valkey
from scripts.left_overs import forget_postmaster
from scripts.ports import free_port
from scripts.secrets_file import Secrets
from scripts.waiting import Check, wait_until

DATABASE = "fairdeal"
_LARGEST_LOG = 10_000_000
_GIVEN_SERVER_S = 10.0
_MAY_PASS = ("Connection refused", "starting up", "not yet accepting", "shutting down", "timeout expired")


class ServerUnreachableError(Exception):
    """Say that a server that was given does not answer."""


@dataclass(frozen=True)
class DataServers:
    """Where PostgreSQL and Redis are."""

    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)


def start_missing(
    var_dir: Path,
    environ: Mapping[str, str],
    secrets: Secrets,
    *,
    adopt: Callable[[RunningServer], None],
    console: Console,
    check: Check,
    avoid_port: int,
) -> DataServers:
    """Start an embedded server for each that was not given, side by side; `adopt` takes over those that run.

    Raises `ServerFailedError`, `BinaryNotFoundError`, `NoAccountError` or `ServerUnreachableError`.
    """
    database_url, redis_url = environ.get("DATABASE_URL"), environ.get("REDIS_URL")
    logs = var_dir / "log"
    logs.mkdir(mode=0o700, exist_ok=True)
    wanted: list[Server] = []
    if redis_url:
        console.say("run", f"using the Redis given as REDIS_URL ({_where(redis_url)})")
    else:
        wanted.append(
            embedded_valkey(
                var_dir / "valkey",
                log=_log(logs, "valkey"),
                password=secrets.valkey_password,
                port=_usual_port(var_dir, "valkey", avoid_port),
                account=server_account(var_dir / "valkey"),
            )
        )
    if database_url:
        console.say("run", f"using the PostgreSQL given as DATABASE_URL ({_where(database_url)})")
        _await_given_database(database_url, check)
    else:
        wanted.append(_postgres(var_dir, _log(logs, "postgres"), secrets, console, check, avoid_port))
    for one in _start_all(wanted, check, adopt):
        console.say("run", f"{one.server.name} answers on port {one.server.port}")
        if isinstance(one.server, Postgres):
            database_url = one.server.ensure_database(DATABASE, secrets.database_password)
        else:
            redis_url = one.url
    return DataServers(database_url or "", redis_url or "")


def _postgres(var_dir: Path, log: Path, secrets: Secrets, console: Console, check: Check, avoid_port: int) -> Postgres:
    data = var_dir / "postgres"
    server = embedded_postgres(
        data,
        log=log,
        password=secrets.postgres_password,
        port=_usual_port(var_dir, "postgres", avoid_port),
        account=server_account(data),
    )
    if not data.exists():
        console.say("run", f"making a PostgreSQL {server.major} database in {data}")
    server.create_data(check)
    forget_postmaster(data)
    return server


def _start_all(servers: list[Server], check: Check, adopt: Callable[[RunningServer], None]) -> list[RunningServer]:
    under_way: list[Start] = []
    try:
        under_way.extend(Start(server) for server in servers)
        running = [start.wait(check) for start in under_way]
    except BaseException:
        for start in under_way:
            start.abandon()
        raise
    for one in running:
        adopt(one)
    return running


def _await_given_database(url: str, check: Check) -> None:
    """Wait for a PostgreSQL that may still be starting. Raises `ServerUnreachableError`."""
    reason = ""

    def settled() -> bool:
        nonlocal reason
        reason = _refusal(url)
        return not any(word in reason for word in _MAY_PASS)

    wait_until(settled, _GIVEN_SERVER_S, check=check, pause_s=0.25)
    if reason:
        with contextlib.suppress(ValueError):
            reason = reason.replace(url, "***").replace(urlsplit(url).password or "\0", "***")
        raise ServerUnreachableError(f"the PostgreSQL given as DATABASE_URL cannot be used: {reason}")


def _refusal(url: str) -> str:
    """Connect for a moment; return why that failed, empty if it did not."""
    try:
        connection = psycopg2.connect(url.replace("+psycopg2", "", 1), connect_timeout=5)
    except psycopg2.Error as exc:
        return str(exc).strip() or "no reason given"
    connection.close()
    return ""


def _where(url: str) -> str:
    """Return the hosts and ports of a URL: the rest may be secret."""
    return urlsplit(url).netloc.rpartition("@")[2] or "local"


def _usual_port(var_dir: Path, name: str, avoid_port: int) -> int:
    """Return the port that these data always get, for the bookmarks of other tools; another if it is taken."""
    digest = hashlib.sha256(f"{name} {var_dir}".encode()).digest()
    return free_port(preferred=20_000 + int.from_bytes(digest[:4]) % 12_768, avoid=frozenset({avoid_port}))


def _log(directory: Path, name: str) -> Path:
    """Return the log of a server, put aside when it has grown large."""
    log = directory / f"{name}.log"
    if log.exists() and log.stat().st_size > _LARGEST_LOG:
        log.replace(log.with_suffix(".log.1"))
    return log
