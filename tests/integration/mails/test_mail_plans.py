"""What is asked every second costs a handful of pages, however long the history and however many mails were sent."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Engine, text

from service.store.mails import PostgresMails
from tests.integration.explaining import explained
from tests.integration.mails.mailing import let_history_settle

LINES = 100_000
FEW_PAGES = 40


@pytest.fixture
def long_history(engine: Engine, make_agent: Callable[..., int]) -> PostgresMails:
    """A long history that has been read to its end, and a mail for every other line: all were sent."""
    user_id = make_agent()
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO ticket_events (ticket_id, cause, epoch)"
                " SELECT n, 'create', 0 FROM generate_series(1, :n) n"
            ),
            {"n": LINES},
        )
        connection.execute(
            text(
                "INSERT INTO mails (user_id, kind, event_id, happened_at, lines, attempts_allowed, state, settled_at)"
                " SELECT :user_id, 'fetched', n, now(), '[]', 14, 'sent', now() FROM generate_series(1, :n, 2) n"
            ),
            {"n": LINES, "user_id": user_id},
        )
        connection.execute(text("ANALYZE ticket_events, mails"))
    let_history_settle(engine)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO event_cursors (reader, xact, event_id)"
                " SELECT 'mails', xact, id FROM ticket_events ORDER BY ticket_events.xact DESC, id DESC LIMIT 1"
            )
        )
    return PostgresMails(engine)


def test_whether_there_is_something_to_do_is_seen_at_a_glance(engine: Engine, long_history: PostgresMails) -> None:
    with explained(engine) as plans:
        assert not long_history.is_wanted(silent_s=300)
    assert plans
    assert sum(plan.buffers for plan in plans) <= FEW_PAGES, [plan.told() for plan in plans]


def test_that_there_is_nothing_to_take_is_seen_at_a_glance(engine: Engine, long_history: PostgresMails) -> None:
    with explained(engine) as plans:
        assert long_history.settle_abandoned(silent_s=300) == (0, 0)
        assert long_history.take() is None
        long_history.postpone(pause_s=15)
        assert long_history.prune(older_than_s=86_400, limit=1_000) == 0
    assert plans
    assert sum(plan.buffers for plan in plans) <= FEW_PAGES, [plan.told() for plan in plans]


def test_mails_that_wait_for_later_are_not_looked_through(engine: Engine, long_history: PostgresMails) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE mails SET state = 'waiting', settled_at = NULL, next_try_at = now() + interval '1 hour'")
        )
        connection.execute(text("ANALYZE mails"))
    with explained(engine) as plans:
        assert not long_history.is_wanted(silent_s=300)
        assert long_history.take() is None
    assert sum(plan.buffers for plan in plans) <= FEW_PAGES, [plan.told() for plan in plans]
