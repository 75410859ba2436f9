"""What the doctor looks at: facts about the servers and the host, as they say themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseFacts:
    """PostgreSQL as it is set up. `clock_s` is its time, seconds since 1970; `settings` as `SHOW` words them."""

    version: str
    version_number: int
    clock_s: float
    is_standby: bool
    settings: dict[str, str]
    connections: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisFacts:
    """Redis or Valkey as it is set up. `keeps` says whether anything is written to disk."""

    version: str
    clock_s: float
    role: str
    maxmemory_bytes: int
    used_bytes: int
    eviction: str
    keeps: bool
    write_error: str
    evicted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SentinelFacts:
    """Sentinels and what they say. `masters` is whom each that answers names (empty: nobody), by its address.

    `doubts` are those who could not have a master replaced, with their words; `replicas` how many could take its place,
    by the Sentinel that knows fewest; `unreachable` the masters that do not answer us.
    """

    master: str
    masters: Mapping[str, str]
    silent: tuple[str, ...]
    doubts: Mapping[str, str]
    replicas: int
    unreachable: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterFacts:
    """A Redis Cluster: its state, the slots that are served, and the well replicas of each node that has slots."""

    state: str
    slots: int
    replicas: Mapping[str, int]
    failed: tuple[str, ...]
    silent: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaFacts:
    """A replica of PostgreSQL that lists are read on. `behind_bytes` of the primary's log it has not replayed."""

    is_standby: bool
    is_of_the_primary: bool
    is_paused: bool
    behind_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """The machine: its clock, seconds since 1970, and the disk that `VAR_DIR` is on."""

    clock_s: float
    disk_free_bytes: int
    disk_bytes: int
    versions: str


class DatabaseLook(Protocol):
    """Look at PostgreSQL."""

    def look(self) -> DatabaseFacts:
        """Read the facts. Raises `StoreUnavailable`."""


class ReplicaLook(Protocol):
    """Look at a replica of PostgreSQL."""

    def look(self) -> ReplicaFacts:
        """Read the facts. Raises `StoreUnavailable`."""


class RedisGroupLook(Protocol):
    """Look at how several Redis servers stand together."""

    def look(self) -> SentinelFacts | ClusterFacts | None:
        """Read the facts; None where there is but one server. Raises `QueueUnavailable`."""


class RedisLook(Protocol):
    """Look at Redis."""

    def look(self) -> RedisFacts:
        """Read the facts. Raises `QueueUnavailable`."""
