"""A site: one database, one key prefix, and the processes of the service on them."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class

from scripts.benchmark import stock
from scripts.benchmark.admin import PASSWORD
from scripts.benchmark.databases import Databases
from scripts.benchmark.parts import ROOT, Part, background, web
from scripts.benchmark.people import lay_agents
from scripts.ports import free_port
from scripts.throwaway import ThrowawayServers
from service.bootstrap import Container, build_container
from service.config import Settings, load
from service.ticket_queue.client import make_client
from service.ticket_queue.keys import Keys
from service.ticket_queue.queue import RedisTicketQueue

SERVICE = "service.bootstrap:create_wsgi_app()"
HELLO = "scripts.benchmark.hello:create_app()"
BASELINE = "scripts.benchmark.baseline:create_app()"
PEOPLE = "people"
JWT_SECRET_KEY = "the key of the benchmark, long enough"  # noqa: S105 - of servers that live for minutes
_INHERITED = ("PATH", "LD_LIBRARY_PATH", "TMPDIR", "LANG", "HOME")
_OWN = (
    "DATABASE_URL",
    "REDIS_URL",
    "JOBS_REDIS_URL",
    "JWT_SECRET_KEY",
    "VAR_DIR",
    "HOST",
    "PORT",
    "QUEUE_PREFIX",
    "ADMIN_PASSWORD",
)
_LIFE_OF_TOKENS = {"ACCESS_TOKEN_MINUTES": "240"}
"""Longer than the benchmark takes: tokens are issued once."""


def chosen_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Take over the settings somebody chose for the measured service; where it runs is ours to say."""
    names = [name.upper() for name in Settings.model_fields]
    return {name: environ[name] for name in names if environ.get(name) and name not in _OWN}


@dataclass
class Site:
    """Where one service under measurement lives. `close` stops all of it."""

    name: str
    servers: ThrowawayServers
    databases: Databases
    database_url: str
    chosen: Mapping[str, str]
    _closing: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @property
    def directory(self) -> Path:
        """Where logs go."""
        return self.servers.directory

    @cached_property
    def environ(self) -> dict[str, str]:
        """What the processes are told."""
        return {
            **{name: os.environ[name] for name in _INHERITED if name in os.environ},
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            **self.chosen,
            **_LIFE_OF_TOKENS,
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.servers.redis_url,
            "JWT_SECRET_KEY": JWT_SECRET_KEY,
            "QUEUE_PREFIX": f"bench-{self.name}",
            "VAR_DIR": str(self.directory / f"var-{self.name}"),
            "HOST": "127.0.0.1",
        }

    @cached_property
    def settings(self) -> Settings:
        """The same, as the service reads it; our own checks may wait longer for a busy machine."""
        return load(
            {**self.environ, "REDIS_TIMEOUT_MS": "10000", "STATEMENT_TIMEOUT_MS": "60000", "CLAIM_LEASE_S": "120"}
        )

    @cached_property
    def container(self) -> Container:
        """The use cases, wired in this process."""
        built = build_container(self.settings)
        self._closing.callback(built.close)
        return built

    @cached_property
    def queue(self) -> RedisTicketQueue:
        """The queue, without the use cases."""
        client = make_client(self.servers.redis_url, timeout_ms=10_000)
        self._closing.callback(client.close)
        return RedisTicketQueue(client, Keys(self.settings.queue_prefix))

    @cached_property
    def sql(self) -> Connection:
        """A superuser's connection to the database."""
        return self._closing.enter_context(self.databases.superuser_of(self.name))

    def web(self, name: str, app: str = SERVICE, extra: Mapping[str, str] | None = None) -> Part:
        """Start a web server on this site, which runs until the site is closed."""
        described = web(
            f"{self.name}-{name}", app, {**self.environ, **(extra or {})}, port=free_port(), directory=self.directory
        )
        return self._closing.enter_context(described)

    def background(self) -> list[Part]:
        """Start worker, messenger and clock, which run until the site is closed."""
        described = background(self.environ, directory=self.directory)
        return [self._closing.enter_context(part) for part in described]

    def stock_up(self, count: int, *, queued: bool = True) -> None:
        """See that so many tickets are open, and queued."""
        missing = count - stock.open_count(self.sql)
        if missing > 0:
            ids = stock.add_tickets(self.sql, missing)
            if queued:
                stock.enqueue(self.queue, ids)

    def settle(self) -> None:
        """Bring PostgreSQL's statistics up to date, as autovacuum does for tables that grow at a common pace.

        Without any, plans are made for empty tables: five times the CPU time for a fetch. To be called while warming
        up: it has every connection plan its prepared statements anew.
        """
        with self.sql.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")

    def clear_hands(self, *, queued: bool = True) -> None:
        """See that nobody holds anything."""
        stock.clear_hands(self.sql, self.queue if queued else None)

    def prepare(self) -> None:
        """Migrate and make the first admin, as a start of the service does."""
        subprocess.run(
            [sys.executable, "-m", "service", "prepare"],
            cwd=ROOT, env={**self.environ, "ADMIN_PASSWORD": PASSWORD}, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip

    def close(self) -> None:
        """Stop what was started and give connections back."""
        self._closing.close()


def lay_people(site: Site, agents: int) -> None:
    """Make the template that other sites copy: migrated, with an admin and agents; nobody may stay connected to it."""
    site.prepare()
    with site.databases.superuser_of(site.name) as connection:
        lay_agents(connection, agents)
