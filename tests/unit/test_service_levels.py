"""How long tickets take: times from events, against targets."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from service.domain.model import Cause, Priority, TicketEvent, TicketStatus
from service.domain.service_levels import DEFAULT_TARGETS, Targets, Times, measured, parse_minutes, times

NINE = datetime(2026, 1, 31, 9, tzinfo=UTC)
OPEN, ASSIGNED, SOLD = TicketStatus.OPEN, TicketStatus.ASSIGNED, TicketStatus.SOLD
RESOLVED, CLOSED, IN_PROGRESS = TicketStatus.RESOLVED, TicketStatus.CLOSED, TicketStatus.IN_PROGRESS
PLAIN = Times(to_assignment_s=None, to_resolution_s=None, held_s=0, age_s=3_600)


def took(to_assignment_s: float, to_resolution_s: float, held_s: float) -> Times:
    return replace(PLAIN, to_assignment_s=to_assignment_s, to_resolution_s=to_resolution_s, held_s=held_s)


TARGETS = Targets(assign_s=dict.fromkeys(Priority, 60), resolve_s={**dict.fromkeys(Priority, 600), Priority.LOW: 7_200})


def story(*steps: tuple[int, TicketStatus | None]) -> list[TicketEvent]:
    """Tell that a ticket went into each state so many minutes after its creation."""
    event = TicketEvent(
        id=1, ticket_id=7, cause=Cause.CREATE, from_status=None, to_status=OPEN, agent_id=None, actor_id=1, epoch=0,
        note="", at=NINE,
    )  # fmt: skip
    return [event, *(replace(event, at=NINE + timedelta(minutes=n), to_status=status) for n, status in steps)]


@pytest.mark.parametrize(
    ("steps", "taken"),
    [
        ((), PLAIN),
        (((5, ASSIGNED),), replace(PLAIN, to_assignment_s=300, held_s=3_300)),
        (((5, ASSIGNED), (9, OPEN)), replace(PLAIN, to_assignment_s=300, held_s=240)),
        (((5, ASSIGNED), (9, OPEN), (20, ASSIGNED)), replace(PLAIN, to_assignment_s=300, held_s=240 + 2_400)),
        (((5, ASSIGNED), (6, IN_PROGRESS), (10, SOLD)), took(300, 600, 300)),
        (((5, ASSIGNED), (10, RESOLVED), (20, CLOSED)), took(300, 600, 300)),
        (((5, ASSIGNED), (10, RESOLVED), (20, OPEN)), replace(PLAIN, to_assignment_s=300, held_s=300)),
        (((5, ASSIGNED), (10, RESOLVED), (20, IN_PROGRESS), (30, RESOLVED)), took(300, 1_800, 900)),
        (((5, ASSIGNED), (10, None)), replace(PLAIN, to_assignment_s=300, held_s=300)),
    ],
)
def test_times_follow_from_the_events(steps: tuple[tuple[int, TicketStatus | None], ...], taken: Times) -> None:
    assert times(story(*steps), created_at=NINE, now=NINE + timedelta(hours=1)) == taken


def test_what_has_not_happened_is_measured_by_the_tickets_age() -> None:
    assignment, resolution = measured(PLAIN, TARGETS, Priority.LOW)
    assert (assignment.missed, assignment.is_overdue, assignment.target_s) == (True, True, 60)
    assert (resolution.missed, resolution.is_overdue, resolution.took_s) == (False, False, None)


def test_what_happened_too_late_was_missed_and_is_not_overdue() -> None:
    assignment, resolution = measured(took(61, 600, 10), TARGETS, Priority.HIGH)
    assert (assignment.missed, assignment.is_overdue) == (True, False)
    assert (resolution.missed, resolution.is_overdue) == (False, False)


def test_minutes_are_read_for_every_priority() -> None:
    assert parse_minutes(" low=3, high=1,medium=2 ") == {Priority.HIGH: 60, Priority.MEDIUM: 120, Priority.LOW: 180}
    assert DEFAULT_TARGETS.assign_s[Priority.HIGH] == 1_800


@pytest.mark.parametrize(
    "text",
    [
        "", "5", "high=1,medium=2", "high=1,medium=2,low=0", "high=1,medium=2,low=-3", "high=1,medium=2,low=525601",
        "high=1,medium=2,low=3,low=4", "high=1,medium=2,urgent=3", "high=1,medium=2,low=3.5",
        "high=1,medium=2,low=\u0663",
    ],
)  # fmt: skip
def test_minutes_that_are_none_are_refused_with_the_rule(text: str) -> None:
    with pytest.raises(ValueError, match="high=30,medium=240,low=1440"):
        parse_minutes(text)
