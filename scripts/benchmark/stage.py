"""Everything that scenarios need, started when first asked for and stopped together."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from scripts.benchmark.databases import Databases
from scripts.benchmark.figures import Row
from scripts.benchmark.floor import Floor, find_pgbench
from scripts.benchmark.meter import Meter
from scripts.benchmark.parts import Part
from scripts.benchmark.people import Seat, seats
from scripts.benchmark.plan import Plan
from scripts.benchmark.report import line
from scripts.benchmark.sites import BASELINE, HELLO, PEOPLE, Site, lay_people
from scripts.throwaway import ThrowawayServers, servers

Say = Callable[[str], None]


class Stage:
    """The servers of one measurement, durable as those of `run`, and the sites on them."""

    def __init__(self, plan: Plan, *, place: Path, chosen: Mapping[str, str], say: Say) -> None:
        """`place` is where the servers' directory is made; `chosen` are settings for the measured service."""
        self.plan, self.say = plan, say
        self._place, self._chosen = place, chosen
        self._closing = contextlib.ExitStack()
        self._sites: dict[str, Site] = {}

    def __enter__(self) -> Self:
        self._place.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing.close()

    @cached_property
    def servers(self) -> ThrowawayServers:
        """PostgreSQL and Valkey."""
        self.say("starting PostgreSQL and Valkey")
        return self._closing.enter_context(servers(durable=True, place=self._place))

    @cached_property
    def databases(self) -> Databases:
        """The databases, the template with the people among them."""
        databases = Databases(self.servers.database_url, secrets.token_hex(16))
        self.say(f"making a database with {self.plan.agents:,} agents")
        people = self._site_on(databases, PEOPLE, databases.make(PEOPLE))
        lay_people(people, self.plan.agents)
        people.close()
        return databases

    def site(self, name: str, *, template: str = PEOPLE) -> Site:
        """Return the site of this name, made as a copy of another that is at rest when first asked for."""
        if name not in self._sites:
            databases = self.databases
            site = self._site_on(databases, name, databases.make(name, template=template))
            self._closing.callback(site.close)
            self._sites[name] = site
        return self._sites[name]

    def has_site(self, name: str) -> bool:
        """Say whether there is a site of this name."""
        return name in self._sites

    def _site_on(self, databases: Databases, name: str, url: str) -> Site:
        return Site(name, self.servers, databases, url, self._chosen)

    @cached_property
    def main(self) -> Site:
        """The site most scenarios share: the whole service, worker, messenger and clock included."""
        site = self.site("main")
        self.say("starting the service")
        site.container.queue_rebuild.run()
        self.main_background = site.background()
        return site

    @cached_property
    def main_web(self) -> Part:
        """Its web server."""
        return self.main.web("web")

    @cached_property
    def hello(self) -> Part:
        """A web server that does nothing."""
        return self.main.web("hello", HELLO)

    @cached_property
    def seats(self) -> list[Seat]:
        """Agents with tokens, the same on every site."""
        self.say(f"issuing {self.plan.seats:,} tokens")
        return seats(self.main.sql, self.main.settings, self.plan.seats)

    @cached_property
    def floor(self) -> Floor | None:
        """What pgbench runs on; None where there is no pgbench."""
        program = find_pgbench()
        return None if program is None else Floor(self.site("floor"), self.plan.agents, program)

    @cached_property
    def plain(self) -> Site:
        """The site of the straightforward application."""
        return self.site("plain")

    @cached_property
    def baseline(self) -> Part:
        """The straightforward application."""
        return self.plain.web("web", BASELINE)

    def show(self, row: Row) -> None:
        """Say what the last round of a row came to."""
        self.say(line(row))

    def meter(self, web: Part | None, *, background: bool = False) -> Meter:
        """Read what the servers use, and this web server, and what runs beside the main one."""
        roots = {"PostgreSQL": self.servers.postgres_pid, "Redis": self.servers.valkey_pid}
        if background and self.main:
            roots |= {part.name.rpartition("-")[2]: part.pid for part in self.main_background}
        return Meter({**({} if web is None else {"web": web.pid}), **roots})
