"""A test stand: the whole service as real processes on servers of its own, each of which can be broken and mended."""

from __future__ import annotations

import contextlib
import os
import secrets
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2.extras import NamedTupleCursor
from redis import Redis

from scripts.account import Account, server_account
from scripts.embedded_valkey import Valkey, embedded_valkey
from scripts.ports import free_port
from scripts.waiting import wait_until
from service.bootstrap import Container, build_container
from service.config import Settings, load
from service.domain.model import Priority, QueuedTicket
from service.ticket_queue.client import make_client
from service.ticket_queue.keys import Keys
from service.ticket_queue.queue import RedisTicketQueue
from tests.faults.hosts import Hosts
from tests.faults.options import ENVIRON, Options
from tests.faults.parts import ROOT, Part, Server
from tests.faults.standby import AWAITED, promote, standby_of
from tests.faults.template import DATABASE, JWT_SECRET_KEY, Template, describe_postgres
from tests.redis_nodes import Nodes

SHIFTED_CLOCK = ROOT / "tests" / "faults" / "shifted_clock"
"""Where `sitecustomize` is, which moves a process's clock by CLOCK_SHIFT_S."""

_INHERITED = ("PATH", "LD_LIBRARY_PATH", "TMPDIR", "LANG", "HOME")


class Stand:
    """One service under test. `close` ends everything, whatever state it is in."""

    def __init__(self, directory: Path, template: Template, options: Options) -> None:
        self.directory, self.options, self.people = directory, options, template.people
        self.reconciling = options.reconciling
        self.control = directory / "crash"
        self._template = template
        self._closing = contextlib.ExitStack()
        self._parts: list[Part] = []
        self._redis_servers: list[Server] = []
        template.copy_to(directory / "postgres")
        if isinstance(options.hosts, Hosts):
            with (directory / "postgres" / "pg_hba.conf").open("a") as rules:
                rules.write(f"host all all {options.hosts.network} scram-sha-256\n")
        ports: set[int] = set()
        for _ in range(4):
            ports.add(free_port(avoid=frozenset(ports)))
        postgres_port, redis_port, web_port, standby_port = ports
        described = describe_postgres(
            directory, password=template.superuser_password, port=postgres_port, throwaway=not options.durable
        )
        further = AWAITED if options.standby else ()
        placed = self._placed("postgres", described.account)
        primary = options.postgres_kind(**{**vars(described), "further": further, **placed})
        self.postgres = Server(primary, directory / "postgres")
        follows = options.standby or options.replica
        self.standby = standby_of(primary, directory, template, standby_port) if follows else None
        self.redis_password = secrets.token_hex(16)
        self.redis = self.describe_redis("redis", redis_port, options.redis_kind)
        self.web_port = web_port
        self.nodes: Nodes | None = None
        if options.redis_nodes is not None:
            self.nodes = self._closing.enter_context(options.redis_nodes(self._directory_of("nodes")))
        self.settings = self._settings(postgres_port, redis_port)
        self.keys = Keys(self.settings.queue_prefix)
        self.web_addresses = [(options.hosts.address(name), self.web_port) for name in options.web_hosts]

    def _placed(self, name: str, account: Account | None) -> dict[str, Any]:
        """Say on which host a server is, and how it is started there."""
        hosts = self.options.hosts
        return {"host": hosts.address(name), "within": hosts.within(name, account)}

    def _directory_of(self, name: str) -> Path:
        directory = self.directory / name
        directory.mkdir()
        return directory

    def describe_redis(self, name: str, port: int, kind: type[Valkey] = Valkey) -> Server:
        """Describe a Valkey with an append-only file; not started."""
        directory = self.directory / name
        description = embedded_valkey(
            directory, log=self.directory / f"{name}.log", port=port,
            password=self.redis_password, account=server_account(directory),
        )  # fmt: skip
        server = Server(kind(**{**vars(description), **self._placed("redis", description.account)}), directory)
        self._redis_servers.append(server)
        return server

    def start(self) -> None:
        """Start everything, with a queue that is trusted."""
        servers = (self.postgres, self.redis, *([self.standby] if self.standby else []))
        waits = [server.begin() for server in servers]
        for wait in waits:
            wait()
        self.rebuild()
        self._told = self._environ()
        self.webs = [self.describe_web(name, self.web_port) for name in self.options.web_hosts]
        self.web = self.webs[0]
        self.worker = self._describe("worker", ["workers", "worker"])
        self.clock = self._describe("clock", ["workers", "clock"])
        background = [self.worker, self.clock] if self.reconciling else []
        waits = [part.begin() for part in (*self.webs, *background)]
        for wait in waits:
            wait()

    def describe_web(self, name: str, port: int) -> Part:
        """Describe a web server; not started, and ended with the stand."""
        gunicorn = ["gunicorn", "-c", "service/gunicorn_conf.py", self.options.app]
        return self._describe(name, gunicorn, PORT=str(port), VAR_DIR=str(self.directory / f"var-{name}"))

    def describe_background(self, name: str, what: str) -> Part:
        """Describe a background process; not started, and ended with the stand."""
        return self._describe(name, ["workers", what])

    def _describe(self, name: str, command: list[str], **environ: str) -> Part:
        told = {**self._told, **environ, **self.options.part_environ.get(name, {})}
        hosts = self.options.hosts
        told["HOST"] = hosts.address(name)
        code = self.options.code.get(name, ROOT)
        told["PYTHONPATH"] = f"{SHIFTED_CLOCK}{os.pathsep}{code}"
        part = Part(
            name, command, told, log=self.directory / f"{name}.log", port=int(environ.get("PORT", "0")),
            host=hosts.address(name), within=hosts.within(name), code=code,
        )  # fmt: skip
        self._parts.append(part)
        return part

    def close(self) -> None:
        """End everything."""
        with contextlib.ExitStack() as stack:
            stack.callback(self.postgres.stop)
            if self.standby is not None:
                stack.callback(self.standby.stop)
            for server in self._redis_servers:
                stack.callback(server.kill)
            stack.callback(self._closing.close)
            for part in self._parts:
                stack.callback(part.kill)

    def _settings(self, postgres_port: int, redis_port: int) -> Settings:
        return load(
            {
                **ENVIRON,
                **self.options.environ,
                "DATABASE_URL": self._database_url(postgres_port),
                **self._replica(),
                **self._redis_urls(redis_port),
                "JWT_SECRET_KEY": JWT_SECRET_KEY,
                "VAR_DIR": str(self.directory / "var"),
                "PORT": str(self.web_port),
                "WEB_WORKERS": str(self.options.web_workers),
                "WEB_THREADS": str(self.options.web_threads),
                # A check of ours should wait for a slow machine rather than fail.
                "REDIS_TIMEOUT_MS": "5000",
            }
        )

    def _environ(self) -> dict[str, str]:
        """Say what the service's processes are told; they may be sent by another way than we go."""
        database_via, redis_via = self.options.database_via, self.options.redis_via
        database_port = database_via(self.postgres.port) if database_via else self.postgres.port
        redis_port = redis_via(self.redis.port) if redis_via else self.redis.port
        return {
            **{name: os.environ[name] for name in _INHERITED if name in os.environ},
            "PYTHONUNBUFFERED": "1",
            "DATABASE_URL": self._database_url(database_port),
            **self._replica(),
            **self._redis_urls(redis_port),
            "JWT_SECRET_KEY": JWT_SECRET_KEY,
            "VAR_DIR": str(self.directory / "var"),
            "PORT": str(self.web_port),
            "WEB_WORKERS": str(self.options.web_workers),
            "WEB_THREADS": str(self.options.web_threads),
            "FAULT_CONTROL": str(self.control),
            **ENVIRON,
            **self.options.environ,
        }

    def _database_url(self, port: int) -> str:
        return self._url_of(port, *([self.standby.port] if self.standby and self.options.standby else []))

    def _url_of(self, *ports: int) -> str:
        host = self.options.hosts.address("postgres")
        hosts = ",".join(f"{host}:{each}" for each in ports)
        return f"postgresql://{DATABASE}:{self._template.database_password}@{hosts}/{DATABASE}"

    def _replica(self) -> dict[str, str]:
        """Say where lists are read."""
        if not self.options.replica or self.standby is None:
            return {}
        return {"REPLICA_DATABASE_URL": self._url_of(self.standby.port)}

    def fail_over(self) -> None:
        """End PostgreSQL as a crash does, and let the standby take its place."""
        assert self.standby is not None
        self.postgres.kill()
        promote(self.standby)
        self.postgres, self.standby = self.standby, self.postgres

    def _redis_url(self, port: int) -> str:
        return f"redis://:{self.redis_password}@{self.options.hosts.address('redis')}:{port}/0"

    def _redis_urls(self, port: int) -> dict[str, str]:
        server = self._redis_url(port)
        return {"REDIS_URL": server} if self.nodes is None else {"REDIS_URL": self.nodes.url, "JOBS_REDIS_URL": server}

    @cached_property
    def container(self) -> Container:
        """The use cases, wired in this process, on a direct way to the servers."""
        built = build_container(self.settings)
        self._closing.callback(built.close)
        return built

    def connect(self) -> Any:
        """Connect to PostgreSQL as the superuser, for locks and pg_terminate_backend. Close it."""
        url = self.postgres.description.url.removesuffix("/postgres") + f"/{DATABASE}"
        return psycopg2.connect(url, cursor_factory=NamedTupleCursor, connect_timeout=5)

    def sql(self, statement: str, **values: Any) -> list[Any]:
        """Run a statement, `%(name)s` for values, on a connection of its own; return the rows."""
        connection = self.connect()
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement, values)
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            connection.close()

    def redis_client(self) -> Redis:
        """Connect to Redis. Close it."""
        return make_client(self.settings.redis_url, timeout_ms=5_000, keys=self.keys)

    def redis_client_of(self, server: Server) -> Redis:
        """Connect to another Redis than the one in service. Close it."""
        return make_client(self._redis_url(server.port), timeout_ms=5_000)

    def redis_call(self, *command: str | int) -> Any:
        """Send one command to Redis."""
        with contextlib.closing(self.redis_client()) as client:
            return client.execute_command(*command)  # type: ignore[no-untyped-call]

    def rebuild(self) -> None:
        """Build the queue from PostgreSQL, so that it is trusted."""
        self.container.queue_rebuild.run()

    def make_tickets(self, count: int, priority: str = "medium", *, enqueue: bool = True) -> list[int]:
        """Make open tickets with their history, and queue them."""
        rows = self.sql(
            "WITH made AS (INSERT INTO tickets (subject, priority) SELECT 'seeded ' || n, %(priority)s"
            " FROM generate_series(1, %(count)s) AS n ORDER BY n RETURNING id, epoch),"
            " told AS (INSERT INTO ticket_events (ticket_id, cause, to_status, epoch)"
            " SELECT id, 'import', 'open', epoch FROM made ORDER BY id)"
            " SELECT id FROM made ORDER BY id",
            count=count, priority=priority,
        )  # fmt: skip
        ids = [row.id for row in rows]
        if enqueue:
            with contextlib.closing(self.redis_client()) as client:
                queue = RedisTicketQueue(client, self.keys)
                queue.enqueue([QueuedTicket(ticket_id, Priority(priority)) for ticket_id in ids])
        return ids

    def open_ids(self, priority: str) -> list[int]:
        """Read the open tickets of a priority from PostgreSQL, oldest first."""
        query = "SELECT id FROM tickets WHERE status = 'open' AND deleted_at IS NULL AND priority = %(p)s ORDER BY id"
        return [row.id for row in self.sql(query, p=priority)]

    def queue_ids(self, priority: str) -> list[str]:
        """Read a queue from Redis as it stands."""
        with contextlib.closing(self.redis_client()) as client:
            return list(client.lrange(self.keys.queue(Priority(priority)), 0, -1))  # type: ignore[arg-type]

    def arm(self, step: str, nth: int = 1) -> None:
        """Let the web process kill itself at the `nth` time it comes to a step; see `crashing_app`."""
        draft = self.control.with_suffix(".new")
        draft.write_text(f"{nth} {step}")
        draft.rename(self.control)

    def has_fired(self) -> bool:
        """Say whether the armed step was reached."""
        return not self.control.exists()

    def await_fired(self, within_s: float = 30.0) -> None:
        assert wait_until(self.has_fired, within_s), f"nobody came to: {self.control.read_text()}"
