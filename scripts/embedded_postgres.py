"""An embedded PostgreSQL: made with initdb, run by its own binary, reached by TCP with a password."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import psycopg2
from psycopg2 import sql

from scripts import child
from scripts.account import Account, can_reach, make_directory, working_directory, write_private
from scripts.binaries import Binary, BinaryNotFoundError, find_binary
from scripts.binary_copy import runnable_by
from scripts.embedded_server import ServerFailedError, log_tail, server_environment
from scripts.ports import LOOPBACK
from scripts.waiting import Check, never_interrupted, wait_until

SUPERUSER = "postgres"
_INITDB_S = 120.0
_BUILTIN_LOCALES_SINCE = 17
_CHECKSUMS_ALWAYS_SINCE = 18
# Earlier ones leave the working directory to look for their own binary, and cannot come back.
_FINDS_ITSELF_SINCE = 16

_SETTINGS = {
    "unix_socket_directories": "",
    # The web processes' threads, the workers and a psql or two; an idle slot costs next to nothing.
    "max_connections": "300",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # A healthy server says nothing every five minutes.
    "log_checkpoints": "off",
}
_THROWAWAY_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class Postgres:
    """An embedded PostgreSQL before it runs. `data` holds its files, `log` what it says."""

    data: Path
    log: Path
    port: int
    password: str
    binary: Path
    major: int
    account: Account | None
    throwaway: bool = False
    further: tuple[tuple[str, str], ...] = ()
    """Settings besides the usual ones."""
    host: str = LOOPBACK
    """The address it listens on, and is reached by."""
    within: tuple[str, ...] = ()
    """A command to start it by, which then also gives it its account; such as one that enters another host."""

    name = "PostgreSQL"
    # SIGINT is its fast shutdown; SIGQUIT leaves at once and recovers from the log at the next start.
    stop_steps = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0))
    passing_failures = ("is still in use", 'lock file "postmaster.pid" already exists')

    @property
    def url(self) -> str:
        """Return the superuser's URL."""
        return f"postgresql://{SUPERUSER}:{self.password}@{self.host}:{self.port}/postgres"

    def on_port(self, port: int) -> Self:
        """Return the same server on another port."""
        return replace(self, port=port)

    def spawn(self) -> child.Process:
        """Start the server's process."""
        settings = (
            {"port": str(self.port), "listen_addresses": self.host}
            | _SETTINGS
            | (_THROWAWAY_SETTINGS if self.throwaway else {})
        )
        settings |= dict(self.further)
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with self.log.open("ab") as log:
            return child.spawn(
                [*self.within, self.binary, "-D", working_directory(self.data, self.account), *options],
                environ=server_environment(os.environ),
                cwd=self.data,
                output=log,
                account=None if self.within else self.account,
                death_signal=signal.SIGINT,
            )

    def answers(self) -> bool:
        """Say whether the server lets us in. Raises `ServerFailedError` when it never will."""
        try:
            psycopg2.connect(self.url, connect_timeout=2).close()
        except psycopg2.OperationalError as exc:
            if "password authentication failed" in str(exc):
                raise ServerFailedError(
                    f"the data in {self.data} were made with another password than the one kept now; "
                    "bring back the secrets.json that belongs to them, or move the directory away to start empty"
                ) from exc
            return False
        return True

    def ensure_database(self, name: str, password: str) -> str:
        """Make an ordinary account and a database of its own, both called `name`; return their URL."""
        connection = psycopg2.connect(self.url)
        connection.autocommit = True
        with contextlib.closing(connection), connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,))
            if cursor.fetchone() is None:
                cursor.execute(
                    sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), sql.Literal(password))
                )
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            if cursor.fetchone() is None:
                cursor.execute(sql.SQL("CREATE DATABASE {0} OWNER {0}").format(sql.Identifier(name)))
        return f"postgresql://{name}:{password}@{self.host}:{self.port}/{name}"

    def create_data(self, check: Check = never_interrupted) -> None:
        """Make the data directory if there is none.

        Raises `ServerFailedError` when initdb fails or the data are another major version's.
        """
        version = self.data / "PG_VERSION"
        if version.exists():
            found = version.read_text().strip()
            if found != str(self.major):
                raise ServerFailedError(
                    f"the data in {self.data} were made by PostgreSQL {found}, and this is {self.major}; "
                    f"dump them with {found} and restore them, or move the directory away to start empty"
                )
            return
        # What is half made when somebody pulls the plug must not be taken for data: it is made elsewhere and moved.
        workshop = self.data.with_name(self.data.name + ".new")
        shutil.rmtree(workshop, ignore_errors=True)
        make_directory(workshop, self.account)
        make_directory(workshop / "data", self.account)
        write_private(workshop / "password", self.password, self.account)
        self._initdb(workshop, check)
        (workshop / "data").replace(self.data)
        shutil.rmtree(workshop)

    def _initdb(self, workshop: Path, check: Check) -> None:
        home = working_directory(workshop / "data", self.account)
        options = [
            "-D",
            home,
            f"--pwfile={home}/../password",
            f"--username={SUPERUSER}",
            "--encoding=UTF8",
            "--auth=scram-sha-256",
            "--locale=C",
            "--no-instructions",
        ]
        if self.major >= _BUILTIN_LOCALES_SINCE:
            # Code point order everywhere alike, with upper and lower case beyond ASCII.
            options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        if self.major < _CHECKSUMS_ALWAYS_SINCE:
            options.append("--data-checksums")
        if self.throwaway:
            options.append("--no-sync")
        offset = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            process = child.spawn(
                [self.binary.with_name("initdb"), *options],
                environ=server_environment(os.environ),
                cwd=workshop / "data",
                output=log,
                account=self.account,
            )
        try:
            wait_until(lambda: process.poll() is not None, _INITDB_S, check=check)
        finally:
            status = child.stop(process, ())
        if status != 0:
            raise ServerFailedError(f"initdb ended with status {status}:\n{log_tail(self.log, offset)}")


def embedded_postgres(
    data: Path, *, log: Path, port: int, password: str, account: Account | None, throwaway: bool = False
) -> Postgres:
    """Describe the embedded PostgreSQL with its files in `data`. Raises `BinaryNotFoundError`."""
    found: Binary = find_binary("postgres")
    if found.major < _FINDS_ITSELF_SINCE and not can_reach(data, account):
        raise BinaryNotFoundError(
            f"PostgreSQL {found.major} cannot run as {account.name if account else 'us'} on data in {data}, below "
            f"directories closed to that account (version {_FINDS_ITSELF_SINCE} could); "
            "set VAR_DIR to a place open to it"
        )
    return Postgres(
        data=data,
        log=log,
        port=port,
        password=password,
        throwaway=throwaway,
        binary=runnable_by(found, account),
        major=found.major,
        account=account,
    )
