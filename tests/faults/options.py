"""How a stand is to be."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from scripts.embedded_postgres import Postgres
from scripts.embedded_valkey import Valkey
from service.config import Settings
from tests.faults.hosts import Hosts, OneHost
from tests.redis_nodes import Nodes

APP = "service.bootstrap:create_wsgi_app()"
CRASHING_APP = "tests.faults.crashing_app:create_wsgi_app()"

ENVIRON = {
    "STATEMENT_TIMEOUT_MS": "2000",
    "CLAIM_LEASE_S": "4",
    "RECONCILE_FAST_S": "1",
    "RECONCILE_FULL_S": "5",
    "REDIS_TIMEOUT_MS": "500",
}
"""Shorter than in production, in the same proportions: what takes a minute there takes some seconds here."""

PRODUCTION = {name: str(Settings.model_fields[name.lower()].default) for name in ENVIRON}
"""The same as they are when nobody says anything."""


Route = Callable[[int], int]
"""Given the port of a server, name the port by which the service is to reach it."""


OpenNodes = Callable[[Path], AbstractContextManager[Nodes]]
"""Given a directory, start servers."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a stand is to be."""

    reconciling: bool = True
    durable: bool = False
    web_workers: int = 1
    web_threads: int = 16
    app: str = APP
    database_via: Route | None = None
    redis_via: Route | None = None
    redis_kind: type[Valkey] = Valkey
    redis_nodes: OpenNodes | None = None
    """Several servers instead of the one, which is left to the background jobs."""
    postgres_kind: type[Postgres] = Postgres
    hosts: Hosts | OneHost = field(default_factory=OneHost)
    """Where the processes are."""
    web_hosts: tuple[str, ...] = ("web",)
    """The web servers, by their hosts' names."""
    code: dict[str, Path] = field(default_factory=dict)
    """Where the code of a part is, if it is not the present one's."""
    standby: bool = False
    """A second PostgreSQL, which has every commit that was acknowledged."""
    replica: bool = False
    """A second PostgreSQL, which follows and is not waited for: lists are read there."""
    environ: dict[str, str] = field(default_factory=dict)
    part_environ: dict[str, dict[str, str]] = field(default_factory=dict)
    """What one part alone is told."""
