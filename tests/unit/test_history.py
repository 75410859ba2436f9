"""What events say: the row they lead to, and whose hand they filled."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from service.domain.history import HandChange, Replayed, hand_change, replay
from service.domain.model import Cause, Priority, TicketEvent, TicketStatus

ANN, BEN = 2, 3
CREATED = TicketEvent(
    id=1, ticket_id=7, cause=Cause.CREATE, from_status=None, to_status=TicketStatus.OPEN, agent_id=None, actor_id=1,
    epoch=0, note="", at=datetime(2026, 1, 31, 9, tzinfo=UTC), priority=Priority.MEDIUM,
)  # fmt: skip


def event(cause: Cause, was: TicketStatus, becomes: TicketStatus | None, **values: object) -> TicketEvent:
    plain = replace(CREATED, cause=cause, from_status=was, to_status=becomes, priority=None)
    return replace(plain, **values)  # type: ignore[arg-type]


OPEN, ASSIGNED, SOLD = TicketStatus.OPEN, TicketStatus.ASSIGNED, TicketStatus.SOLD
FETCHED = event(Cause.FETCH, OPEN, ASSIGNED, agent_id=ANN, epoch=1)
RAISED = event(Cause.EDIT, ASSIGNED, ASSIGNED, agent_id=ANN, epoch=1, priority=Priority.HIGH)
GIVEN_TO_BEN = event(Cause.REASSIGN, ASSIGNED, ASSIGNED, agent_id=BEN, from_agent_id=ANN, epoch=2)
RELEASED = event(Cause.RELEASE, ASSIGNED, OPEN, agent_id=BEN, epoch=3)
WARNED = event(Cause.HOLD_WARNING, ASSIGNED, ASSIGNED, agent_id=ANN, epoch=1)
TAKEN_BACK = event(Cause.HOLD_LIMIT, ASSIGNED, OPEN, agent_id=ANN, epoch=2)
DELETED = event(Cause.DELETE, ASSIGNED, None, agent_id=ANN, epoch=1)
AGENT_DELETED = event(Cause.DELETE, ASSIGNED, OPEN, agent_id=ANN, epoch=2)
PLAIN = Replayed(status=OPEN, agent_id=None, epoch=0, priority=Priority.MEDIUM, deleted=False)


@pytest.mark.parametrize(
    ("events", "row"),
    [
        ((CREATED,), PLAIN),
        ((CREATED, FETCHED), replace(PLAIN, status=ASSIGNED, agent_id=ANN, epoch=1)),
        ((CREATED, FETCHED, RAISED), replace(PLAIN, status=ASSIGNED, agent_id=ANN, epoch=1, priority=Priority.HIGH)),
        (
            (CREATED, FETCHED, RAISED, GIVEN_TO_BEN),
            replace(PLAIN, status=ASSIGNED, agent_id=BEN, epoch=2, priority=Priority.HIGH),
        ),
        ((CREATED, FETCHED, GIVEN_TO_BEN, RELEASED), replace(PLAIN, epoch=3)),
        ((CREATED, FETCHED, WARNED), replace(PLAIN, status=ASSIGNED, agent_id=ANN, epoch=1)),
        ((CREATED, FETCHED, WARNED, TAKEN_BACK), replace(PLAIN, epoch=2)),
        ((CREATED, FETCHED, DELETED), replace(PLAIN, status=ASSIGNED, agent_id=ANN, epoch=1, deleted=True)),
        ((CREATED, FETCHED, AGENT_DELETED), replace(PLAIN, epoch=2)),
        ((replace(CREATED, priority=None),), replace(PLAIN, priority=None)),
    ],
)
def test_events_lead_to_the_row(events: tuple[TicketEvent, ...], row: Replayed) -> None:
    assert replay(events) == row


def test_no_events_lead_nowhere() -> None:
    with pytest.raises(ValueError, match="begins with its creation"):
        replay(())


@pytest.mark.parametrize(
    ("told", "agent", "change"),
    [
        (FETCHED, ANN, HandChange.CAME),
        (RAISED, ANN, None),
        (GIVEN_TO_BEN, ANN, HandChange.WENT),
        (GIVEN_TO_BEN, BEN, HandChange.CAME),
        (RELEASED, BEN, HandChange.WENT),
        (WARNED, ANN, None),
        (TAKEN_BACK, ANN, HandChange.WENT),
        (DELETED, ANN, HandChange.WENT),
        (event(Cause.SELL, ASSIGNED, SOLD, agent_id=ANN), ANN, HandChange.WENT),
        (event(Cause.RESOLVE, ASSIGNED, TicketStatus.RESOLVED, agent_id=ANN), ANN, HandChange.WENT),
        (event(Cause.START, TicketStatus.RESOLVED, TicketStatus.IN_PROGRESS, agent_id=ANN), ANN, HandChange.CAME),
        (event(Cause.START, ASSIGNED, TicketStatus.IN_PROGRESS, agent_id=ANN), ANN, None),
        (event(Cause.CLOSE, TicketStatus.RESOLVED, TicketStatus.CLOSED, agent_id=ANN), ANN, None),
        (event(Cause.REOPEN, TicketStatus.CLOSED, OPEN, agent_id=ANN), ANN, None),
    ],
)
def test_an_event_fills_or_empties_a_hand(told: TicketEvent, agent: int, change: HandChange | None) -> None:
    assert hand_change(told, agent) is change
