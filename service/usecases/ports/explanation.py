"""What explaining a ticket needs of the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from service.domain.model import Cause, Level, Ticket
from service.usecases.ports.dispatch import Takers

AHEAD_LIMIT = 10_000
"""Tickets ahead of another are counted up to here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What somebody did to a ticket, and how long ago by the database's clock; no actor means the service itself."""

    cause: Cause
    actor_id: int | None
    actor: str | None
    at: datetime
    age_s: float
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """A ticket and what stands around it, all as of one instant.

    `handed` is the act by which it came to whoever has it, or back to the queue; `entered` the one by which it came to
    its present state, often the same; `warned` is the warning that it will go back unless it is begun. `ahead` counts
    the open tickets of its priority that are older, one beyond `AHEAD_LIMIT` at the most; None unless the ticket is
    open. `with_room` counts the agents of each level who are active, available and have room; `takers` tells of those
    of them with auto_assign.
    """

    ticket: Ticket
    agent: str | None
    handed: Act | None
    entered: Act | None
    warned: Act | None
    ahead: int | None
    with_room: Mapping[Level, int]
    takers: Mapping[Level, Takers] = field(default_factory=lambda: {level: Takers() for level in Level})


class SituationStore(Protocol):
    """What there is to know about one ticket."""

    def situation(self, ticket_id: int) -> Situation | None:
        """Read it; None when there is no such ticket or it is deleted. Raises `StoreUnavailable`."""
