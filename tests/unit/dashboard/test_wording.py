from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from service.dashboard.wording import age, cause_words, counted, moment_words, words
from service.domain.model import Availability, Cause, Level, Priority, Role, TicketStatus


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_has_words(cause: Cause) -> None:
    assert cause_words(cause)[0].isupper()


@pytest.mark.parametrize("value", [*TicketStatus, *Priority, *Availability, *Level, *Role])
def test_states_are_worded_for_people(value: TicketStatus) -> None:
    assert words(value) == value.value.replace("_", " ").capitalize()


def test_counts_agree_with_their_nouns() -> None:
    assert [counted(n, "ticket") for n in (0, 1, 1_500)] == ["0 tickets", "1 ticket", "1,500 tickets"]
    assert counted(2, "entry", "entries") == "2 entries"


def test_times_are_worded() -> None:
    assert age(datetime.now(UTC) - timedelta(hours=3, minutes=2)) == "3 h"
    assert age(datetime.now(UTC) + timedelta(minutes=1)) == "0 s"
    assert moment_words(datetime(2026, 1, 5, 9, 7, tzinfo=UTC)) == "5 Jan 2026, 09:07 UTC"
