"""The rows that runs leave behind."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from redis import Redis
from sqlalchemy import Engine

from service.domain.errors import NotFound, QueueUnavailable
from service.job_queue import RqJobQueue, make_job_client, queue_name
from service.ticket_queue.keys import Keys
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.reconcile import CLOCK, RunRequest, RunStatus, Tier
from service.usecases.reconciliations import Reconciliations
from tests.integration.reconciling import MEDIUM, World

MakeTickets = Callable[..., list[int]]


@pytest.fixture
def world(engine: Engine, redis_client: Redis, keys: Keys, queue: RedisTicketQueue) -> World:
    return World(engine, redis_client, keys)


def test_quiet_runs_of_the_clock_share_a_row_for_a_minute(world: World) -> None:
    first = world.fast(trigger=CLOCK)
    again = world.fast(trigger=CLOCK)
    assert again.id == first.id
    assert again.finished_at > first.finished_at
    world.sql("UPDATE reconciliations SET started_at = now() - interval '61 seconds'")
    assert world.fast(trigger=CLOCK).id > first.id


def test_a_run_that_found_something_has_a_row_of_its_own(world: World, make_tickets: MakeTickets) -> None:
    first = world.fast(trigger=CLOCK)
    make_tickets(1, enqueue=False)
    found = world.fast(trigger=CLOCK)
    make_tickets(1, enqueue=False)
    same = world.fast(trigger=CLOCK)
    after = world.fast(trigger=CLOCK)
    assert first.id < found.id < same.id < after.id
    assert found.repaired == same.repaired == {"missing": 1}


def test_runs_that_somebody_asked_for_have_rows_of_their_own(world: World) -> None:
    assert world.fast(trigger="cli").id < world.fast(trigger="cli").id
    assert world.full(trigger=CLOCK).id < world.full(trigger=CLOCK).id


def test_a_full_run_closes_the_rows_of_dead_runs(world: World) -> None:
    dead = world.runs.begin(RunRequest(tier=Tier.FULL, trigger=CLOCK))
    waiting = world.runs.request(RunRequest(tier=Tier.FULL, trigger="api"))
    lost = world.runs.request(RunRequest(tier=Tier.FULL, trigger="api"))
    world.sql("UPDATE reconciliations SET requested_at = now() - interval '1 hour' WHERE id = :id", id=lost.id)
    assert world.full().status is RunStatus.DONE
    rows = {run.id: (run.status, run.error) for run in map(world.runs.get, (dead.id, waiting.id, lost.id)) if run}
    assert rows == {
        dead.id: (RunStatus.FAILED, "The process that ran it died"),
        waiting.id: (RunStatus.QUEUED, None),
        lost.id: (RunStatus.FAILED, "No worker took it up"),
    }


def test_a_full_run_prunes_old_runs_and_claims(world: World, make_agent: Callable[..., int]) -> None:
    world.sql(
        "INSERT INTO claims (id, agent_id, ticket_ids, at) SELECT gen_random_uuid(), :agent, '{}', now() - age"
        " FROM unnest(ARRAY[interval '6 days', interval '8 days', interval '9 days']) AS age",
        agent=make_agent(),
    )
    old = world.fast(trigger="test")
    kept = world.fast(trigger="test")
    world.sql("UPDATE reconciliations SET requested_at = now() - interval '31 days' WHERE id = :id", id=old.id)
    world.full()
    assert world.sql("SELECT count(*) FROM claims") == [(1,)]
    assert world.runs.get(old.id) is None
    assert world.runs.get(kept.id) == kept


def test_a_full_run_prunes_imports_that_were_over_long_ago(world: World) -> None:
    world.sql(
        "INSERT INTO imports (format, on_error, size_bytes, lines, status, finished_at, requested_at)"
        " SELECT 'csv', 'skip', 1, 1, CASE WHEN days IS NULL THEN 'queued' ELSE 'done' END,"
        " now() - days * interval '1 day', now() - interval '60 days' FROM unnest(ARRAY[29, 31, 40, NULL]) AS days"
    )
    world.sql("INSERT INTO import_parts (import_id, place, data) SELECT id, 0, 'x' FROM imports")
    world.full()
    assert sorted(map(tuple, world.sql("SELECT status FROM imports"))) == [("done",), ("queued",)]
    assert world.sql("SELECT count(*) FROM import_parts") == [(2,)]


def test_a_full_run_prunes_sessions_that_were_over_long_ago(world: World, make_user: Callable[..., int]) -> None:
    world.sql(
        "INSERT INTO sessions (id, user_id, refresh_jti, expires_at, revoked_at)"
        " SELECT gen_random_uuid(), :user, gen_random_uuid(), now() + expires * interval '1 day',"
        " now() - revoked * interval '1 day'"
        " FROM (VALUES (5, NULL), (-6, NULL), (5, 6), (-8, NULL), (5, 9), (-10, 1)) AS over (expires, revoked)",
        user=make_user(),
    )
    day = 86_400
    assert world.runs.prune(runs_older_than_s=day, claims_older_than_s=7 * day, limit=2) == 2
    world.full()
    kept = "SELECT round(extract(epoch FROM expires_at - now()) / 86400)::int, revoked_at IS NULL FROM sessions"
    assert sorted(map(tuple, world.sql(kept))) == [(-6, True), (5, False), (5, True)]


def test_runs_are_listed_by_tier_and_status(world: World) -> None:
    fast, full = world.fast(), world.full()
    asked = world.runs.request(RunRequest(tier=Tier.FULL, trigger="api"))
    jobs = RqJobQueue(make_job_client("redis://127.0.0.1:1", timeout_ms=100), prefix="x")
    use_case = Reconciliations(runs=world.runs, jobs=jobs)

    def ids(**filters: object) -> list[int]:
        return [run.id for run in use_case.page(PageRequest(sort="-id"), **filters).items]  # type: ignore[arg-type]

    assert ids() == [asked.id, full.id, fast.id]
    assert ids(tiers=(Tier.FULL,)) == [asked.id, full.id]
    assert ids(tiers=(Tier.FULL,), statuses=(RunStatus.DONE,)) == [full.id]
    assert use_case.get(fast.id) == fast
    with pytest.raises(NotFound):
        use_case.get(999)


def test_asking_for_a_run_notes_it_and_enqueues_the_job(world: World, redis_url: str) -> None:
    client = make_job_client(redis_url, timeout_ms=2_000)
    run = Reconciliations(runs=world.runs, jobs=RqJobQueue(client, prefix="t")).request(tier=Tier.FULL, dry_run=True)
    assert (run.status, run.tier, run.dry_run, run.trigger) == (RunStatus.QUEUED, Tier.FULL, True, "api")
    assert client.llen(f"rq:queue:{queue_name('t')}") == 1
    client.close()


def test_asking_for_a_run_without_redis_leaves_a_failed_row(world: World) -> None:
    jobs = RqJobQueue(make_job_client("redis://127.0.0.1:1", timeout_ms=100), prefix="t")
    with pytest.raises(QueueUnavailable):
        Reconciliations(runs=world.runs, jobs=jobs).request(tier=Tier.FULL)
    [(status, error)] = world.sql("SELECT status, error FROM reconciliations")
    assert status == "failed"
    assert "did not answer" in error


def test_progress_is_told(world: World, make_tickets: MakeTickets) -> None:
    make_tickets(120)
    told: list[tuple[str, int]] = []
    world.full(progress=lambda step, rows: told.append((step, rows)))
    assert (f"comparing {MEDIUM}", 100) in told
    assert told[-1][1] == 120
