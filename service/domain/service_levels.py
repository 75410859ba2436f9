"""How long tickets take, and how long they may take. Nothing of it is stored: events and settings say it all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.domain.model import Priority, Ticket, TicketEvent, TicketStatus
from service.domain.policy import is_held

UNRESOLVED = (TicketStatus.OPEN, TicketStatus.ASSIGNED, TicketStatus.IN_PROGRESS)
"""The states in which a ticket still waits for its resolution; being sold is one."""

TARGETS_RULE = "must name minutes for each priority, as in high=30,medium=240,low=1440, each from 1 to 525600"

MAX_MINUTES = 525_600


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """How long, from its creation, a ticket may wait for its first assignment and for its resolution, s."""

    assign_s: Mapping[Priority, int]
    resolve_s: Mapping[Priority, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How long a ticket took, s: from its creation to its first assignment and to the resolution that still stands.

    None for what has not happened. `held_s` adds up all the time in anybody's hand; `age_s` is the time since creation.
    """

    to_assignment_s: float | None
    to_resolution_s: float | None
    held_s: float
    age_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One time against its target: `took_s` is None while it is running."""

    target_s: int
    took_s: float | None
    missed: bool

    @property
    def is_overdue(self) -> bool:
        """Say whether the target has passed and it has still not happened."""
        return self.missed and self.took_s is None


def parse_minutes(text: str) -> dict[Priority, int]:
    """Read minutes by priority and return seconds. Raises `ValueError` with `TARGETS_RULE`."""
    pairs = [part.partition("=") for part in text.split(",")]
    found = {name.strip(): value.strip() for name, _, value in pairs}
    if len(pairs) != len(Priority) or found.keys() != set(Priority):
        raise ValueError(TARGETS_RULE)
    if not all(value.isascii() and value.isdigit() and 1 <= int(value) <= MAX_MINUTES for value in found.values()):
        raise ValueError(TARGETS_RULE)
    return {priority: 60 * int(found[priority]) for priority in Priority}


DEFAULT_ASSIGN_MINUTES = "high=30,medium=240,low=1440"
DEFAULT_RESOLVE_MINUTES = "high=480,medium=2880,low=10080"

DEFAULT_TARGETS = Targets(
    assign_s=parse_minutes(DEFAULT_ASSIGN_MINUTES), resolve_s=parse_minutes(DEFAULT_RESOLVE_MINUTES)
)


def times(events: Iterable[TicketEvent], *, created_at: datetime, now: datetime) -> Times:
    """Add a ticket's times up from its events, oldest first; those that change no state may be left out."""
    assigned_at: datetime | None = None
    resolved_at: datetime | None = None
    held_since: datetime | None = None
    held_s = 0.0
    for event in events:
        status = event.to_status
        if status is TicketStatus.ASSIGNED and assigned_at is None:
            assigned_at = event.at
        if status in {TicketStatus.RESOLVED, TicketStatus.SOLD}:
            resolved_at = event.at
        elif status in UNRESOLVED:
            resolved_at = None
        is_in_hand = status is not None and is_held(status)
        if is_in_hand and held_since is None:
            held_since = event.at
        elif held_since is not None and not is_in_hand:
            held_s += (event.at - held_since).total_seconds()
            held_since = None
    if held_since is not None:
        held_s += (now - held_since).total_seconds()
    return Times(
        to_assignment_s=None if assigned_at is None else (assigned_at - created_at).total_seconds(),
        to_resolution_s=None if resolved_at is None else (resolved_at - created_at).total_seconds(),
        held_s=held_s,
        age_s=(now - created_at).total_seconds(),
    )


def measured(taken: Times, targets: Targets, priority: Priority) -> tuple[Measure, Measure]:
    """Hold a ticket's times against the targets of its priority: first assignment, and resolution."""
    return (
        _measure(taken.to_assignment_s, taken.age_s, targets.assign_s[priority]),
        _measure(taken.to_resolution_s, taken.age_s, targets.resolve_s[priority]),
    )


def due_at(ticket: Ticket, targets: Targets) -> datetime | None:
    """Say when a ticket that waits becomes overdue, as the filter of lists has it; None for one that waits no more.

    Nobody has ever had a ticket whose epoch is 0.
    """
    if ticket.status not in UNRESOLVED:
        return None
    allowed_s = targets.resolve_s[ticket.priority]
    if ticket.status is TicketStatus.OPEN and ticket.epoch == 0:
        allowed_s = min(allowed_s, targets.assign_s[ticket.priority])
    return ticket.created_at + timedelta(seconds=allowed_s)


def _measure(took_s: float | None, age_s: float, target_s: int) -> Measure:
    return Measure(target_s=target_s, took_s=took_s, missed=(age_s if took_s is None else took_s) > target_s)
