"""What dispatch needs beside the dealer: who takes what they are given, what waits, its records, and being called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from service.domain.dispatch import Candidate
from service.domain.model import Level, Priority


class Ended(StrEnum):
    """Why a run came to its end."""

    NOTHING_WAITS = "nothing_waits"
    NOBODY = "nobody"
    """What still waits can go to nobody: they are away, have no room, or are not senior enough."""
    STUCK = "stuck"
    """The plan led to nothing several times: what waits is in other hands just now, or missing from the queue."""
    OUT_OF_TIME = "out_of_time"
    """Another job has been asked for, so that other background work gets its turn in between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """What a round is planned on, as of one instant.

    `waiting` counts the open tickets of each priority, up to the room there is among the candidates, or else up to one.
    """

    candidates: tuple[Candidate, ...]
    waiting: Mapping[Priority, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Takers:
    """The agents of one level who take what they are given: all of them, those available, those with room besides.

    `room` is how many tickets these could be given.
    """

    willing: int = 0
    available: int = 0
    with_room: int = 0
    room: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """How long tickets lay open before they were dispatched, in milliseconds."""

    total_ms: int = 0
    longest_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchRun:
    """A run to be recorded: what started it, and what it did. It has just ended."""

    trigger: str
    took_s: float
    rounds: int
    agents: int
    dispatched: int
    refused: int
    """How often an agent could not be given their share: away, deactivated or not willing any more."""
    waits: Waits
    ended: Ended


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRun:
    """A run as it was recorded."""

    id: int
    started_at: datetime
    finished_at: datetime
    run: DispatchRun


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchDay:
    """The last 24 hours summed up."""

    runs: int = 0
    rounds: int = 0
    dispatched: int = 0
    refused: int = 0
    waits: Waits = Waits()

    @property
    def mean_wait_s(self) -> float | None:
        """How long a ticket waited on average; None where none was dispatched."""
        return self.waits.total_ms / self.dispatched / 1_000 if self.dispatched else None


class DispatchStore(Protocol):
    """Dispatch's view of PostgreSQL. Every method may raise `StoreUnavailable`."""

    def is_needed(self) -> bool:
        """Say whether an open ticket and somebody it can be given to are there; the cheapest of all."""

    def board(self) -> Board:
        """Read what a round is planned on."""

    def oldest(self, counts: Mapping[Priority, int]) -> Mapping[Priority, tuple[int, ...]]:
        """Name the oldest open tickets, so many of each priority."""

    def takers(self) -> Mapping[Level, Takers]:
        """Count, for each level, who takes what they are given."""

    def waiting(self) -> frozenset[Priority]:
        """Name the priorities of which a ticket is open."""

    def waits(self, ticket_ids: Sequence[int]) -> Waits:
        """Say how long these lay open before they were dispatched the last time."""

    def record(self, run: DispatchRun) -> None:
        """Keep a run, and forget those older than a month."""

    def recent(self, *, limit: int) -> Sequence[RecordedRun]:
        """Read the last runs, the newest first."""

    def last_day(self) -> DispatchDay:
        """Sum up the last 24 hours."""


class JobCalls(Protocol):
    """Calling a job that must not miss what has just happened. Every method may raise `QueueUnavailable`."""

    def call(self, name: str) -> bool:
        """See to it that the job begins once more after this call, ahead of other work; False when one waits already.

        One that is under way is not enough: it may have looked before.
        """

    def began(self, name: str) -> None:
        """Say, as a job's first act, that it begins now: whoever calls from here on needs another."""
