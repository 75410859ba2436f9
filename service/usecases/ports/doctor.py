"""What the doctor looks at: facts about the servers and the host, as they say themselves."""

from __future__ import annotations

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


class RedisLook(Protocol):
    """Look at Redis."""

    def look(self) -> RedisFacts:
        """Read the facts. Raises `QueueUnavailable`."""
