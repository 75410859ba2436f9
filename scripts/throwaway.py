"""Servers for one run of the tests, or of a measurement: real, with nothing kept."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.account import open_to_pass, server_account
from scripts.embedded_postgres import embedded_postgres
from scripts.embedded_server import Start
from scripts.embedded_valkey import embedded_valkey
from scripts.ports import free_port

_PREFIX = "fairdeal-throwaway-"


@dataclass(frozen=True)
class ThrowawayServers:
    """Where the servers are. The PostgreSQL account is the superuser's: tests make databases."""

    database_url: str
    redis_url: str
    postgres_pid: int
    valkey_pid: int
    directory: Path


@contextlib.contextmanager
def servers(*, durable: bool = False, place: Path | None = None) -> Iterator[ThrowawayServers]:
    """Start a PostgreSQL and a Valkey in a new directory of `place`; stop and remove them at the end.

    `durable` has them write to disk as those of `run` do. Without a `place` it is the machine's for temporary files,
    which may be in memory.

    Call it from the main thread: Linux stops the servers when the calling thread ends, even by kill -9.
    Raises `ServerFailedError` or `BinaryNotFoundError`.
    """
    with _directory(place or Path(tempfile.gettempdir())) as directory:
        account = server_account(directory / "postgres")
        valkey = embedded_valkey(
            directory / "valkey",
            log=directory / "valkey.log",
            port=free_port(),
            password=secrets.token_hex(16),
            account=account,
            throwaway=not durable,
        )
        postgres = embedded_postgres(
            directory / "postgres",
            log=directory / "postgres.log",
            port=free_port(avoid=frozenset({valkey.port})),
            password=secrets.token_hex(16),
            account=account,
            throwaway=not durable,
        )
        postgres.create_data()
        with Start(valkey).wait() as running_valkey, Start(postgres).wait() as running_postgres:
            yield ThrowawayServers(
                database_url=running_postgres.url,
                redis_url=running_valkey.url,
                postgres_pid=running_postgres.pid,
                valkey_pid=running_valkey.pid,
                directory=directory,
            )


@contextlib.contextmanager
def _directory(place: Path) -> Iterator[Path]:
    """Make a directory that is removed at the end, or by the next run if this one is killed."""
    _remove_left_overs(place)
    directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
    try:
        with (directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            open_to_pass(directory)
            yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _remove_left_overs(place: Path) -> None:
    for directory in place.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if directory.lstat().st_uid != os.geteuid():
                continue
            with (directory / "lock").open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # refused while its owner lives
                shutil.rmtree(directory)
