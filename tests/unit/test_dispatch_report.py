"""What is said about why nobody is given a ticket."""

from __future__ import annotations

import pytest

from service.domain.model import Level, Priority
from service.usecases.dispatch_report import can_be_given, prospect
from service.usecases.ports.dispatch import Takers

NOBODY = Takers()
BUSY = Takers(willing=2, available=2)
AWAY = Takers(willing=1)
FREE = Takers(willing=3, available=2, with_room=1, room=4)
H, M, L = Priority.HIGH, Priority.MEDIUM, Priority.LOW


@pytest.mark.parametrize(
    ("priority", "senior", "junior", "words"),
    [
        (H, FREE, NOBODY, "Dispatch gives it to 1 senior with auto_assign and room."),
        (H, NOBODY, FREE, "Dispatch has nobody to give it to, as no senior has auto_assign."),
        (H, AWAY, FREE, "Dispatch has nobody to give it to: of 1 senior with auto_assign, 1 away."),
        (M, FREE, FREE, "Dispatch gives it to 1 senior with auto_assign and room."),
        (M, BUSY, FREE, "Dispatch gives it to 1 junior with auto_assign and room."),
        (
            M,
            BUSY,
            AWAY,
            "Dispatch has nobody to give it to: of 3 juniors or seniors with auto_assign, 1 away and 2 without room.",
        ),
        (L, FREE, FREE, "Dispatch gives it to 2 juniors or seniors with auto_assign and room."),
        (L, NOBODY, NOBODY, "Dispatch has nobody to give it to, as no junior or senior has auto_assign."),
    ],
)
def test_the_reason_is_named(priority: Priority, senior: Takers, junior: Takers, words: str) -> None:
    takers = {Level.SENIOR: senior, Level.JUNIOR: junior}
    assert prospect(priority, takers) == words
    assert can_be_given(priority, takers) is ("gives it to" in words)
