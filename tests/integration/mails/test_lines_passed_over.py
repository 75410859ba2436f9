"""Lines that concern nobody are passed over unread: no mail is lost by that, and nothing is read that need not be."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest
from sqlalchemy import Connection, Engine, TextClause, text

from service.domain.model import Cause
from service.domain.notices import NoticeKind, plan
from service.store import event_feed, mails
from service.store import mail_statements as say
from service.store.engine import transaction
from service.store.event_feed import EVERY_LINE, read_on_and_count
from service.store.mails import PostgresMails
from tests.integration.mails.mailing import all_mails, let_history_settle

ADD = text("""
INSERT INTO ticket_events (ticket_id, cause, from_status, to_status, agent_id, from_agent_id, actor_id, epoch, priority)
VALUES (1, :cause, :from_status, :to_status, :agent_id, :from_agent_id, :actor_id, 0, :priority)
""")

Notices = set[tuple[int, NoticeKind, int]]


def noticed(connection: Connection, reader: str, page: TextClause, *, limit: int) -> tuple[Notices, int, int]:
    """Plan all that there is; also say how many lines there were, and how many of them were read."""
    notices: Notices = set()
    lines = read = 0
    while True:
        found, count = read_on_and_count(connection, reader, limit=limit, page=page)
        if not count:
            return notices, lines, read
        lines += count
        for event in (event for each in found for event in each.events):
            read += 1
            notices |= {(told.user_id, told.kind, event.id) for told in plan([event])}


def test_whoever_is_to_be_told_is_told(engine: Engine, make_agent: Callable[..., int]) -> None:
    """Every line that there can be, and as many that there cannot: the rules themselves say whom each concerns."""
    ann, bob, mute = (make_agent(name) for name in ("ann", "bob", "mute"))
    statuses = ("open", "assigned", "in_progress", "sold", None)
    with engine.begin() as connection:
        connection.execute(text("UPDATE users SET email = 'a@example.com' WHERE id = :id"), {"id": ann})
        connection.execute(text("UPDATE users SET email = 'm@example.com' WHERE id = :id"), {"id": mute})
        muted = text("INSERT INTO notification_preferences (user_id, muted) VALUES (:id, ARRAY['fetched'])")
        connection.execute(muted, {"id": mute})
        agents, causes = (None, ann, mute), (*Cause,)
        lines = [
            {"cause": cause.value, "from_status": old, "to_status": new, "agent_id": agent, "from_agent_id": loser,
                 "actor_id": actor, "priority": priority}
            for cause, old, new, agent, loser, actor, priority in product(
                causes, statuses, statuses, agents, (None, bob), (None, ann, bob), (None, "low")
            )
        ]  # fmt: skip
        connection.execute(ADD, lines)
    let_history_settle(engine)
    with transaction(engine) as connection:
        every, count, _ = noticed(connection, "every", EVERY_LINE, limit=5_000)
        some, same_count, read = noticed(connection, "some", say.WANTED, limit=777)
    assert count == same_count == len(lines)
    assert {told for told in every if told[1] is not NoticeKind.FETCHED or told[0] == ann} <= some <= every
    assert read < count


def test_a_history_of_fetches_is_passed_over_unread(engine: Engine, make_agent: Callable[..., int]) -> None:
    ann = make_agent("ann")
    line = {"cause": "fetch", "from_status": "open", "to_status": "assigned", "agent_id": ann, "from_agent_id": None,
                "actor_id": ann, "priority": None}  # fmt: skip
    with engine.begin() as connection:
        connection.execute(ADD, [line] * 40)
    let_history_settle(engine)
    with transaction(engine) as connection:
        assert noticed(connection, "some", say.WANTED, limit=25) == (set(), 40, 0)
        assert read_on_and_count(connection, "some", limit=25, page=say.WANTED) == ([], 0)


def test_no_sender_is_called_for_lines_that_concern_nobody(
    engine: Engine, make_agent: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between them they are passed over; what concerns somebody is left for the sender to read."""
    monkeypatch.setattr(mails, "PASSED_OVER", 10)
    ann, store = make_agent("ann"), PostgresMails(engine)
    line = {"cause": "fetch", "from_status": "open", "to_status": "assigned", "agent_id": ann, "from_agent_id": None,
            "actor_id": ann, "priority": None}  # fmt: skip
    with engine.begin() as connection:
        connection.execute(ADD, [line] * 25)
    let_history_settle(engine)
    with transaction(engine) as connection:
        connection.execute(event_feed.BEGIN, {"reader": mails.READER})
    assert not store.is_wanted(silent_s=300)
    with engine.connect() as connection:
        assert not event_feed.has_news(connection, mails.READER)
    with engine.begin() as connection:
        connection.execute(text("UPDATE users SET email = 'a@example.com' WHERE id = :id"), {"id": ann})
        connection.execute(ADD, [line])
    let_history_settle(engine)
    assert store.is_wanted(silent_s=300)
    assert store.is_wanted(silent_s=300), "looking takes nothing away"
    assert store.plan(limit=100, attempts_allowed=1, fresh_s=60) == 1
    assert [mail.user_id for mail in all_mails(engine)] == [ann]
