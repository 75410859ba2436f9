"""The domain's rules."""

from __future__ import annotations

import pytest

from service.domain.model import HELD, Level, Priority, TicketStatus
from service.domain.policy import MOVES, QUEUES_BY_LEVEL, may_move, room, sources

S = TicketStatus


def test_seniors_take_high_first_and_juniors_never() -> None:
    assert QUEUES_BY_LEVEL[Level.SENIOR] == (Priority.HIGH, Priority.MEDIUM, Priority.LOW)
    assert QUEUES_BY_LEVEL[Level.JUNIOR] == (Priority.LOW, Priority.MEDIUM)


def test_a_sale_is_final() -> None:
    assert not any(may_move(S.SOLD, target) for target in S)


def test_only_held_tickets_are_sold() -> None:
    assert set(sources(S.SOLD)) == HELD


def test_every_state_can_be_left_or_is_final() -> None:
    assert set(MOVES) == set(S)
    assert [status for status, following in MOVES.items() if not following] == [S.SOLD]


@pytest.mark.parametrize(
    ("present", "wanted", "allowed"),
    [
        (S.OPEN, S.ASSIGNED, True),
        (S.OPEN, S.SOLD, False),
        (S.OPEN, S.RESOLVED, False),
        (S.ASSIGNED, S.RESOLVED, True),
        (S.ASSIGNED, S.CLOSED, False),
        (S.RESOLVED, S.IN_PROGRESS, True),
        (S.RESOLVED, S.SOLD, False),
        (S.CLOSED, S.OPEN, True),
        (S.CLOSED, S.IN_PROGRESS, False),
    ],
)
def test_moves(present: TicketStatus, wanted: TicketStatus, allowed: bool) -> None:
    assert may_move(present, wanted) is allowed


@pytest.mark.parametrize(
    ("capacity", "held", "limit", "expected"),
    [(15, 0, None, 15), (15, 15, None, 0), (15, 16, None, 0), (15, 10, 3, 3), (15, 13, 10, 2), (3, 1, None, 2)],
)
def test_room(capacity: int, held: int, limit: int | None, expected: int) -> None:
    assert room(capacity=capacity, held=held, limit=limit) == expected
