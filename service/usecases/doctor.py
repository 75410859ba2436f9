"""The doctor: looks at everything the service stands on, says what is wrong, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

from service.domain.errors import FairdealError
from service.usecases import doctor_checks as checks
from service.usecases import doctor_groups as groups
from service.usecases.doctor_checks import Finding, Level, Needs
from service.usecases.ports.archive import SweepStates
from service.usecases.ports.doctor import (
    DatabaseLook,
    HostFacts,
    RedisGroupLook,
    RedisLook,
    ReplicaLook,
    SentinelFacts,
)
from service.usecases.ports.health import StoreProbe
from service.usecases.ports.operations import JobWatch
from service.usecases.ports.reconcile import Leases
from service.usecases.reconciliation.schedule import LEASE

__all__ = ["Doctor", "Finding", "Level", "Verdict", "verdict"]


class Verdict(StrEnum):
    """The worst of what was found."""

    WELL = "well"
    WARNED = "warned"
    ILL = "ill"


def verdict(findings: Sequence[Finding]) -> Verdict:
    """Sum the findings up."""
    levels = {finding.level for finding in findings}
    return Verdict.ILL if Level.ERROR in levels else Verdict.WARNED if Level.WARNING in levels else Verdict.WELL


@dataclass(frozen=True, slots=True, kw_only=True)
class Doctor:
    """Look, and judge. Changes nothing; what cannot be looked at is itself a finding."""

    needs: Needs
    database: DatabaseLook
    redis: RedisLook
    replica: ReplicaLook | None
    groups: Mapping[str, RedisGroupLook]
    """By the setting that names them."""
    probe: StoreProbe
    jobs: JobWatch
    leases: Leases
    sweeps: SweepStates
    host: Callable[[], HostFacts]

    def examine(self) -> Sequence[Finding]:
        """Look at everything, in the order in which one would mend it."""
        looks = (self._host, self._database, self._replica, self._redis, self._groups, self._background)
        return [*checks.settings(self.needs), *chain.from_iterable(look() for look in looks)]

    def _host(self) -> Iterator[Finding]:
        yield from checks.host(self.host())

    def _database(self) -> Iterator[Finding]:
        try:
            facts = self.database.look()
            yield from checks.database(facts, self.needs)
            yield checks.clock("PostgreSQL", facts.clock_s, self.host().clock_s)
            schema = checks.schema(self.probe.schema())
            yield schema
            if schema.level is Level.OK:
                yield checks.archive(self.sweeps.states(), self.needs)
        except FairdealError as exc:
            yield Finding("postgresql", Level.ERROR, exc.detail, "Start PostgreSQL, or mend DATABASE_URL")

    def _replica(self) -> Iterator[Finding]:
        try:
            if self.replica is not None:
                yield from groups.replica(self.replica.look())
        except FairdealError as exc:
            says = f"{exc.detail}: lists are read at the primary instead"
            yield Finding("replica", Level.WARNING, says, "Start the replica, or mend REPLICA_DATABASE_URL")

    def _groups(self) -> Iterator[Finding]:
        for setting, group in self.groups.items():
            try:
                facts = group.look()
            except FairdealError as exc:
                yield Finding("redis", Level.ERROR, exc.detail, f"Start them, or mend {setting}")
                continue
            if isinstance(facts, SentinelFacts):
                yield from groups.sentinels(facts)
            elif facts is not None:
                yield from groups.cluster(facts)

    def _redis(self) -> Iterator[Finding]:
        try:
            facts = self.redis.look()
            yield from checks.redis(facts)
            yield checks.clock("Redis", facts.clock_s, self.host().clock_s)
        except FairdealError as exc:
            yield Finding("redis", Level.ERROR, exc.detail, "Start Redis, or mend REDIS_URL")

    def _background(self) -> Iterator[Finding]:
        try:
            yield from checks.jobs(self.jobs.state())
            yield checks.clock_process(self.leases.holder(LEASE))
        except FairdealError as exc:
            yield Finding("background", Level.ERROR, f"Could not be looked at: {exc.detail}", "See above")
