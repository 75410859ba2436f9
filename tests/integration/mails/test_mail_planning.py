"""From the history to mails: each line leads to its mails once, whatever breaks, and to no more than it should."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, text

from service.bootstrap import Container
from service.domain.model import Availability, Priority
from service.domain.notices import NoticeKind
from service.store.mails import PostgresMails
from service.usecases.ports.people import UserChanges
from service.usecases.ports.tickets import Buyer, TicketChanges
from tests.integration.mails.mailing import Planned, all_mails, let_history_settle, told

MIGRATION = Path(__file__).parents[3] / "service" / "store" / "migrations" / "versions" / "0010_mails.sql"
BUYER = Buyer(name="Priya", email="priya@example.com")


def test_fifteen_tickets_fetched_are_one_mail(
    container: Container, agent: Callable[..., int], make_tickets: Callable[..., list[int]], planned: Planned
) -> None:
    ids = make_tickets(20)
    container.assignments.fetch(agent())
    assert planned() == [("ann", "fetched", tuple(ids[:15]))]
    assert planned() == []


def test_tickets_given_by_an_admin_are_told(
    container: Container,
    agent: Callable[..., int],
    root: int,
    make_tickets: Callable[..., list[int]],
    planned: Planned,
) -> None:
    [ticket] = make_tickets(1)
    ann, ben = agent("ann"), agent("ben")
    container.lifecycle.assign(ticket, agent_id=ann, actor_id=root)
    assert planned() == [("ann", "assigned", (ticket,))]
    container.lifecycle.assign(ticket, agent_id=ben, actor_id=root)
    assert planned() == [("ann", "taken_away", (ticket,)), ("ben", "assigned", (ticket,))]


def test_many_moved_one_by_one_are_one_mail_for_each_agent(
    container: Container,
    agent: Callable[..., int],
    root: int,
    make_tickets: Callable[..., list[int]],
    planned: Planned,
) -> None:
    ann, ben = agent("ann"), agent("ben")
    ids = tuple(make_tickets(8))
    container.assignments.fetch(ann)
    assert planned() == [("ann", "fetched", ids)]
    container.bulk.reassign_all(ann, to_agent_id=ben, actor_id=root, dry_run=True)
    assert planned() == []
    container.bulk.reassign_all(ann, to_agent_id=ben, actor_id=root)
    assert planned() == [("ann", "taken_away", ids), ("ben", "assigned", ids)]


def test_a_held_tickets_new_priority_is_told_to_its_holder_alone(
    container: Container,
    agent: Callable[..., int],
    root: int,
    make_tickets: Callable[..., list[int]],
    planned: Planned,
) -> None:
    held, free = make_tickets(2)
    container.assignments.fetch(agent("ann"), limit=1)
    agent("ben")
    planned()
    container.tickets.update(held, TicketChanges(priority=Priority.HIGH), actor_id=root)
    container.tickets.update(free, TicketChanges(priority=Priority.HIGH), actor_id=root)
    assert planned() == [("ann", "priority_changed", (held,))]


def test_an_edit_that_changes_nothing_is_not_told(
    container: Container,
    agent: Callable[..., int],
    root: int,
    make_tickets: Callable[..., list[int]],
    planned: Planned,
) -> None:
    [held] = make_tickets(1)
    container.assignments.fetch(agent())
    planned()
    container.tickets.update(held, TicketChanges(priority=Priority.MEDIUM), actor_id=root)
    container.tickets.update(held, TicketChanges(subject="Another"), actor_id=root)
    assert planned() == []


def test_what_is_taken_away_is_told_at_once_and_what_is_given_up_is_not(
    container: Container,
    agent: Callable[..., int],
    root: int,
    make_tickets: Callable[..., list[int]],
    planned: Planned,
) -> None:
    ids = make_tickets(6)
    ann = agent()
    container.assignments.fetch(ann)
    planned()
    container.lifecycle.sell(ann, ids[0], BUYER)
    container.lifecycle.release(ann, ids[1], reason="not mine")
    assert planned() == []
    container.tickets.delete(ids[2], actor_id=root)
    container.assignments.return_all(ann, actor_id=root)
    assert planned() == [("ann", "taken_away", (ids[2], ids[3], ids[4], ids[5]))]


def test_who_gave_everything_back_themselves_is_not_told(
    container: Container, agent: Callable[..., int], make_tickets: Callable[..., list[int]], planned: Planned
) -> None:
    make_tickets(3)
    ann = agent()
    container.assignments.fetch(ann)
    planned()
    container.assignments.return_all(ann, actor_id=ann)
    assert planned() == []


def test_who_was_away_for_too_long_is_told(
    container: Container,
    engine: Engine,
    agent: Callable[..., int],
    make_tickets: Callable[..., list[int]],
    planned: Planned,
) -> None:
    ids = make_tickets(2)
    ann = agent()
    container.assignments.fetch(ann)
    container.agents.set_availability(ann, Availability.AWAY)
    planned()
    with engine.begin() as connection:
        connection.execute(text("UPDATE agents SET away_since = now() - interval '1 day'"))
    assert container.away_returns.run() == 2
    assert planned() == [("ann", "taken_away", tuple(ids))]


def test_nobody_without_an_address_or_an_active_account_is_told(
    container: Container,
    engine: Engine,
    agent: Callable[..., int],
    make_agent: Callable[..., int],
    root: int,
    make_tickets: Callable[..., list[int]],
    planned: Planned,
) -> None:
    make_tickets(3)
    container.assignments.fetch(make_agent("nameless"), limit=1)
    ann, ben = agent("ann"), agent("ben")
    container.assignments.fetch(ann, limit=1)
    container.assignments.fetch(ben, limit=1)
    container.users.update(ann, UserChanges(is_active=False), actor_id=root)
    container.users.delete(ben, actor_id=root)
    assert planned() == []


@pytest.mark.parametrize("kind", list(NoticeKind))
def test_what_somebody_has_turned_off_they_are_not_told(
    container: Container,
    agent: Callable[..., int],
    root: int,
    make_tickets: Callable[..., list[int]],
    planned: Planned,
    kind: NoticeKind,
) -> None:
    fetched, given = make_tickets(2)
    ann = agent()
    container.notification_preferences.replace(ann, {kind: False})
    container.assignments.fetch(ann, limit=1)
    container.lifecycle.assign(given, agent_id=ann, actor_id=root)
    container.tickets.update(fetched, TicketChanges(priority=Priority.HIGH), actor_id=root)
    container.lifecycle.return_one(given, actor_id=root, reason="mistake")
    expected = {"fetched", "assigned", "priority_changed", "taken_away"} - {kind.value}
    assert {what for _, what, _ in planned()} == expected


def test_what_happened_long_ago_is_nobodys_news(
    container: Container, engine: Engine, agent: Callable[..., int], make_tickets: Callable[..., list[int]]
) -> None:
    make_tickets(1)
    container.assignments.fetch(agent())
    let_history_settle(engine)
    assert PostgresMails(engine).plan(limit=500, attempts_allowed=14, fresh_s=0) == 1
    assert all_mails(engine) == []


def test_a_pass_that_breaks_before_its_commit_is_made_again(
    container: Container, engine: Engine, agent: Callable[..., int], make_tickets: Callable[..., list[int]],
    planned: Planned,
) -> None:  # fmt: skip
    make_tickets(3)
    container.assignments.fetch(agent())
    let_history_settle(engine)

    def die(_connection: object) -> None:
        raise KeyboardInterrupt

    event.listen(engine, "commit", die)
    try:
        with pytest.raises(KeyboardInterrupt):
            PostgresMails(engine).plan(limit=500, attempts_allowed=14, fresh_s=86_400)
    finally:
        event.remove(engine, "commit", die)
    assert all_mails(engine) == []
    assert [what for _, what, _ in planned()] == ["fetched"]


def test_the_same_lines_read_again_write_no_second_mail(
    container: Container, engine: Engine, agent: Callable[..., int], make_tickets: Callable[..., list[int]],
    planned: Planned,
) -> None:  # fmt: skip
    """The cursor is put back, as a restored database would: the mails themselves remember what they tell of."""
    make_tickets(3)
    container.assignments.fetch(agent())
    assert len(planned()) == 1
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM event_cursors"))
    assert planned() == []


def test_passes_at_once_write_each_mail_once(
    container: Container, engine: Engine, agent: Callable[..., int], make_tickets: Callable[..., list[int]]
) -> None:
    ids = make_tickets(40)
    agents = [agent(f"agent{n}") for n in range(4)]
    done = threading.Event()

    def follow() -> None:
        store = PostgresMails(engine)
        while True:
            if last := done.is_set():
                let_history_settle(engine)
            if not store.plan(limit=3, attempts_allowed=14, fresh_s=86_400) and last:
                return

    with ThreadPoolExecutor(7) as pool:
        following = [pool.submit(follow) for _ in range(3)]
        list(pool.map(lambda agent_id: [container.assignments.fetch(agent_id, limit=1) for _ in range(10)], agents))
        done.set()
        for one in following:
            one.result()
    # Nobody reads while another does, so what all three found nothing of may be left to the last of them.
    follow()
    mailed = [ticket_id for mail in all_mails(engine) for ticket_id in mail.ticket_ids]
    assert sorted(mailed) == sorted(ids)


def test_mails_begin_with_what_happens_after_their_migration(
    container: Container, engine: Engine, agent: Callable[..., int], make_tickets: Callable[..., list[int]],
    planned: Planned,
) -> None:  # fmt: skip
    """A database with years of history mails nobody about it."""
    ids = make_tickets(2)
    ann = agent()
    container.assignments.fetch(ann, limit=1)
    let_history_settle(engine)
    begin = MIGRATION.read_text(encoding="utf-8").rpartition("INSERT INTO event_cursors")
    with engine.begin() as connection:
        connection.execute(text(begin[1] + begin[2]))
    container.assignments.fetch(ann, limit=2)
    assert planned() == [("ann", "fetched", (ids[1],))]


def test_an_idle_service_wants_nothing(
    container: Container, engine: Engine, agent: Callable[..., int], make_tickets: Callable[..., list[int]],
    planned: Planned, names: dict[int, str],
) -> None:  # fmt: skip
    store = PostgresMails(engine)
    assert not store.is_wanted(silent_s=300)
    make_tickets(1)
    container.assignments.fetch(agent())
    let_history_settle(engine)
    assert store.is_wanted(silent_s=300)
    planned()
    assert store.is_wanted(silent_s=300), "the mail is due"
    assert told(engine, names) == [("ann", "fetched", (1,))]
    with engine.begin() as connection:
        connection.execute(text("UPDATE mails SET next_try_at = now() + interval '1 hour'"))
    assert not store.is_wanted(silent_s=300)
