"""Figures over time, on a real PostgreSQL: what a sample holds, what a pause costs, what is left of it after a day."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from redis import Redis
from sqlalchemy import Engine, text

from scripts.waiting import wait_until
from service.bootstrap import Container
from service.domain.model import Priority
from service.store.samples import PostgresSamples
from service.ticket_queue.keys import Keys
from service.usecases.operations import Span
from service.usecases.ports.operations import Bucket, Reading
from service.usecases.ports.tickets import Buyer, TicketDraft

READING = Reading(open=dict.fromkeys(Priority, 0), oldest_open_s=None, claims=0, is_degraded=False)


def let_pass(engine: Engine, seconds: float) -> None:
    """Make everything that has happened so far older."""
    shift = f"- {seconds} * interval '1 second'"
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text(f"UPDATE ticket_events SET at = at {shift}"))
        connection.execute(text(f"UPDATE reconciliations SET finished_at = finished_at {shift}"))
        moved = f"UPDATE samples SET flows_until = flows_until {shift}, at = date_trunc('minute', at {shift})"
        connection.execute(text(moved))


def totals(engine: Engine) -> dict[str, Any]:
    names = ("created", "assigned", "sold", "resolved", "returned")
    summed = ", ".join(f"sum({name})::bigint AS {name}" for name in names)
    with engine.connect() as connection:
        return dict(connection.execute(text(f"SELECT {summed} FROM samples")).mappings().one())


def newest(container: Container) -> Bucket:
    found = [point.bucket for point in container.operations.course(Span.HOUR).points if point.bucket is not None]
    return found[-1]


def test_a_sample_tells_how_things_stand_and_what_has_happened(
    container: Container, engine: Engine, redis_client: Redis, keys: Keys, make_agent: Callable[..., int]
) -> None:
    container.sampling.take()
    ann = make_agent("ann", level="senior")
    container.tickets.create_many([TicketDraft(subject="One", priority=Priority.HIGH)] * 20, actor_id=None)
    hand = container.assignments.fetch(ann).tickets
    container.lifecycle.sell(ann, hand[0].id, Buyer(name="Kim", email="kim@example.com"))
    container.lifecycle.resolve(ann, hand[1].id)
    container.lifecycle.release(ann, hand[2].id, reason="not mine")
    assert wait_until(lambda: redis_client.zcard(keys.claims) == 0, 30), "claims are struck off by a thread, in batches"
    let_pass(engine, 60)
    container.sampling.take()
    found = newest(container)
    assert found.open == {Priority.HIGH: 6, Priority.MEDIUM: 0, Priority.LOW: 0}
    assert found.oldest_open_s is not None
    assert (found.held, found.capacity, found.claims, found.is_degraded) == (12, 15, 0, False)
    assert totals(engine) == {"created": 20, "assigned": 15, "sold": 1, "resolved": 1, "returned": 1}
    assert found.assigned is not None
    assert 0 < found.assigned < 20


def test_nothing_is_counted_twice_and_a_pause_loses_nothing(
    container: Container, engine: Engine, make_tickets: Callable[..., Any]
) -> None:
    container.sampling.take()
    for pause_s in (60, 1_800, 60):
        container.tickets.create_many([TicketDraft(subject="One")] * 3, actor_id=None)
        let_pass(engine, pause_s)
        container.sampling.take()
        container.sampling.take()
    assert totals(engine)["created"] == 9


def test_one_minute_has_one_sample(container: Container, engine: Engine) -> None:
    pauses = [container.sampling.take() for _ in range(3)]
    assert all(0 < pause_s <= 70 for pause_s in pauses)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT count(*) FROM samples")).scalar_one()
    assert rows in {1, 2}, "a minute may have ended meanwhile"


def test_drift_is_kept_by_kind(container: Container, engine: Engine) -> None:
    container.sampling.take()
    with engine.begin() as connection:
        connection.execute(
            text("""
            INSERT INTO reconciliations (tier, trigger, status, dry_run, finished_at, found, confirmed, repaired) VALUES
            ('full', 'clock', 'done', false, now(), '{"missing": 9}', '{"missing": 3, "poison": 1}', '{"missing": 2}'),
            ('fast', 'clock', 'done', false, now(), '{}', '{"missing": 1}', '{"missing": 1}'),
            ('full', 'api', 'done', true, now(), '{}', '{"missing": 100}', '{}')
        """)
        )
    let_pass(engine, 60)
    container.sampling.take()
    found = newest(container)
    assert found.found == {"missing": 4, "poison": 1}
    assert found.repaired == {"missing": 3}


def test_minutes_become_hours_after_a_day_and_lose_nothing_that_is_counted(engine: Engine) -> None:
    store = PostgresSamples(engine)
    with engine.begin() as connection:
        connection.execute(
            text("""
            INSERT INTO samples (grain, at, span_s, flows_until, open_high, open_medium, open_low, oldest_open_s, held,
                capacity, claims, is_degraded, created, assigned, sold, resolved, returned, found, repaired)
            SELECT 'minute', at, 60, at, 2, 4, n % 2, n, 10, 15, 1, n = 5, 1, 2, 3, 4, 5, '{"missing": 1}', '{}'
            FROM (SELECT n, date_trunc('hour', now()) - interval '26 hours' + n * interval '1 minute' AS at
                  FROM generate_series(0, 119) AS n) AS minutes
        """)
        )
        connection.execute(
            text("UPDATE samples SET found = found || '{\"poison\": 2}' WHERE extract(minute FROM at) = 7")
        )
    store.keep(READING)
    for _ in range(2):
        store.thin()
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT * FROM samples WHERE grain = 'hour' ORDER BY at")).all()
        minutes = connection.execute(text("SELECT count(*) FROM samples WHERE grain = 'minute'")).scalar_one()
    first = rows[0]
    assert (first.span_s, first.open_high, first.open_medium, first.open_low) == (3_600, 2, 4, 1)
    assert (first.oldest_open_s, first.is_degraded) == (59, True)
    assert (first.created, first.assigned, first.sold, first.resolved, first.returned) == (60, 120, 180, 240, 300)
    assert (first.found, first.repaired) == ({"missing": 60, "poison": 2}, {})
    assert sum(row.created for row in rows) + minutes - 1 == 120
    assert next(iter(store.buckets(last_s=7 * 86_400, bucket_s=7_200))).created == 1


def test_hours_are_forgotten_after_a_quarter(engine: Engine) -> None:
    store = PostgresSamples(engine)
    store.keep(READING)
    with engine.begin() as connection:
        for days in (89, 91):
            connection.execute(
                text(f"INSERT INTO samples SELECT 'hour', at - interval '{days} days', {_REST} FROM samples LIMIT 1")
            )
    store.thin()
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM samples WHERE grain = 'hour'")).scalar_one() == 1


_REST = """span_s, flows_until, open_high, open_medium, open_low, oldest_open_s, held, capacity, claims, is_degraded,
created, assigned, sold, resolved, returned, found, repaired"""


def test_the_last_minute_is_counted_along_the_index_of_times(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("""
            INSERT INTO ticket_events (ticket_id, cause, epoch, at)
            SELECT n, 'fetch', 1, now() - (200000 - n) * interval '1 second' FROM generate_series(1, 200000) AS n
        """)
        )
        connection.execute(text("SELECT brin_summarize_new_values('ticket_events_at_idx')"))
        connection.execute(text("ANALYZE ticket_events"))
        plan = connection.execute(
            text("EXPLAIN SELECT count(*) FROM ticket_events WHERE at > now() - interval '1 minute'")
        )
        assert "ticket_events_at_idx" in "\n".join(plan.scalars())
    assert 0 < PostgresSamples(engine).pace().assigned <= 60
