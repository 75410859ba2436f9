"""What agents are told of the history."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.model import HELD, Cause, Priority, TicketEvent, TicketStatus
from service.domain.notices import Notice, NoticeKind, plan

NOW = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)
OPEN, ASSIGNED, IN_PROGRESS = TicketStatus.OPEN, TicketStatus.ASSIGNED, TicketStatus.IN_PROGRESS
RESOLVED, CLOSED, SOLD = TicketStatus.RESOLVED, TicketStatus.CLOSED, TicketStatus.SOLD
ANN, BEN, ROOT, SERVICE = 2, 3, 1, None


def event(
    cause: Cause,
    was: TicketStatus | None,
    becomes: TicketStatus | None,
    agent_id: int | None = ANN,
    actor_id: int | None = ROOT,
    *,
    ticket_id: int = 7,
    event_id: int = 1,
    from_agent_id: int | None = None,
    priority: Priority | None = None,
) -> TicketEvent:
    return TicketEvent(
        id=event_id, ticket_id=ticket_id, cause=cause, from_status=was, to_status=becomes, agent_id=agent_id,
        actor_id=actor_id, epoch=1, note="", at=NOW, from_agent_id=from_agent_id, priority=priority,
    )  # fmt: skip


def told(*events: TicketEvent) -> list[tuple[int | None, str, list[int]]]:
    return [(notice.user_id, notice.kind.value, [line.ticket_id for line in notice.events]) for notice in plan(events)]


def only(kind: str, user_id: int = ANN) -> list[tuple[int | None, str, list[int]]]:
    return [(user_id, kind, [7])]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (event(Cause.FETCH, OPEN, ASSIGNED, actor_id=ANN), only("fetched")),
        (event(Cause.DISPATCH, OPEN, ASSIGNED, actor_id=SERVICE), only("assigned")),
        (event(Cause.REASSIGN, OPEN, ASSIGNED), only("assigned")),
        (event(Cause.REASSIGN, OPEN, ASSIGNED, actor_id=ANN), []),
        (event(Cause.EDIT, ASSIGNED, ASSIGNED, priority=Priority.HIGH), only("priority_changed")),
        (event(Cause.EDIT, IN_PROGRESS, IN_PROGRESS, priority=Priority.LOW), only("priority_changed")),
        (event(Cause.EDIT, ASSIGNED, ASSIGNED, actor_id=ANN, priority=Priority.LOW), []),
        (event(Cause.EDIT, ASSIGNED, ASSIGNED), []),
        (event(Cause.EDIT, OPEN, OPEN, agent_id=None, priority=Priority.HIGH), []),
        (event(Cause.EDIT, RESOLVED, RESOLVED, priority=Priority.HIGH), []),
        (event(Cause.NOTE, ASSIGNED, ASSIGNED), []),
        (event(Cause.HOLD_WARNING, ASSIGNED, ASSIGNED, actor_id=SERVICE), only("hold_warning")),
        (event(Cause.HOLD_WARNING, None, None, actor_id=SERVICE), only("hold_warning")),
        (event(Cause.HOLD_LIMIT, ASSIGNED, OPEN, actor_id=SERVICE), only("taken_away")),
        (event(Cause.AWAY, ASSIGNED, OPEN, actor_id=SERVICE), only("taken_away")),
        (event(Cause.RETURN, IN_PROGRESS, OPEN), only("taken_away")),
        (event(Cause.RETURN, IN_PROGRESS, OPEN, actor_id=ANN), []),
        (event(Cause.RELEASE, ASSIGNED, OPEN, actor_id=ANN), []),
        (event(Cause.DEACTIVATE, ASSIGNED, OPEN), only("taken_away")),
        (event(Cause.DELETE, IN_PROGRESS, None), only("taken_away")),
        (event(Cause.DELETE, OPEN, None, agent_id=None), []),
        (event(Cause.DELETE, SOLD, None), []),
        (event(Cause.REOPEN, RESOLVED, OPEN), []),
        (event(Cause.START, ASSIGNED, IN_PROGRESS, actor_id=ANN), []),
        (event(Cause.START, RESOLVED, IN_PROGRESS), only("assigned")),
        (event(Cause.SELL, IN_PROGRESS, SOLD, actor_id=ANN), []),
        (event(Cause.RESOLVE, IN_PROGRESS, RESOLVED, actor_id=ANN), []),
        (event(Cause.CLOSE, RESOLVED, CLOSED, actor_id=ANN), []),
        (event(Cause.CREATE, None, OPEN, agent_id=None, priority=Priority.HIGH), []),
    ],
    ids=lambda value: f"{value.cause}-by-{value.actor_id}" if isinstance(value, TicketEvent) else "",
)
def test_who_is_told_what_of_a_line(line: TicketEvent, expected: list[object]) -> None:
    assert told(line) == expected


def test_of_a_ticket_that_goes_from_hand_to_hand_both_are_told() -> None:
    line = event(Cause.REASSIGN, ASSIGNED, ASSIGNED, agent_id=BEN, from_agent_id=ANN)
    assert told(line) == [(ANN, "taken_away", [7]), (BEN, "assigned", [7])]


def test_fifteen_tickets_fetched_are_one_notice() -> None:
    lines = [event(Cause.FETCH, OPEN, ASSIGNED, actor_id=ANN, ticket_id=n, event_id=n) for n in range(15, 0, -1)]
    assert told(*lines) == [(ANN, "fetched", list(range(1, 16)))]


def test_a_round_of_dispatch_is_one_notice_for_each_agent() -> None:
    lines = [
        event(Cause.DISPATCH, OPEN, ASSIGNED, agent_id=2 + n % 2, actor_id=SERVICE, ticket_id=n, event_id=n)
        for n in range(6)
    ]
    assert told(*lines) == [(2, "assigned", [0, 2, 4]), (3, "assigned", [1, 3, 5])]


def test_of_a_ticket_that_is_told_twice_the_later_line_counts() -> None:
    first = event(Cause.EDIT, ASSIGNED, ASSIGNED, priority=Priority.HIGH, event_id=1)
    second = event(Cause.EDIT, ASSIGNED, ASSIGNED, priority=Priority.LOW, event_id=2)
    [notice] = plan([first, second])
    assert notice.events == (second,)


EVENTS = st.builds(
    event,
    st.sampled_from(Cause),
    st.none() | st.sampled_from(TicketStatus),
    st.none() | st.sampled_from(TicketStatus),
    agent_id=st.none() | st.integers(1, 4),
    actor_id=st.none() | st.integers(1, 4),
    ticket_id=st.integers(1, 5),
    event_id=st.integers(1, 100),
    from_agent_id=st.none() | st.integers(1, 4),
    priority=st.none() | st.sampled_from(Priority),
)


def pairs(notices: list[Notice]) -> list[tuple[int, NoticeKind]]:
    return [(notice.user_id, notice.kind) for notice in notices]


@given(st.lists(EVENTS))
def test_nobody_gets_two_notices_of_a_kind_nor_an_empty_one(lines: list[TicketEvent]) -> None:
    notices = plan(lines)
    assert len(set(pairs(notices))) == len(notices)
    assert all(notice.events for notice in notices)
    assert all(len(list(group)) == 1 for n in notices for _, group in groupby(n.events, lambda line: line.ticket_id))


@given(st.lists(EVENTS))
def test_nobody_is_told_what_they_did_but_of_their_fetch(lines: list[TicketEvent]) -> None:
    for notice in plan(lines):
        if notice.kind is not NoticeKind.FETCHED:
            assert all(line.actor_id != notice.user_id for line in notice.events)


@given(st.lists(EVENTS))
def test_who_is_told_had_the_ticket_before_or_has_it_now(lines: list[TicketEvent]) -> None:
    for notice in plan(lines):
        for line in notice.events:
            assert notice.user_id in {line.agent_id, line.from_agent_id}
            if notice.kind is NoticeKind.TAKEN_AWAY:
                assert line.from_status in HELD


@given(st.lists(EVENTS), st.integers(0, 10))
def test_each_line_says_the_same_however_the_history_is_cut(lines: list[TicketEvent], cut: int) -> None:
    whole = set(pairs(plan(lines)))
    assert set(pairs(plan(lines[:cut]))) | set(pairs(plan(lines[cut:]))) == whole
