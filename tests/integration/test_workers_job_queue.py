"""Unique jobs on RQ: one at a time, and the remains of a dead one block nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis
from rq import Queue, SimpleWorker
from rq.executions import Execution
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from service.domain.errors import QueueUnavailable
from service.job_queue import Lane, RqJobQueue, make_job_client, queue_name

NAME = "tests.integration.test_workers_job_queue.job"
CALLED = "tests.integration.test_workers_job_queue.called"
JOB_ID = "t-tick"


def job(outcome: str) -> None:
    if outcome == "fail":
        raise ValueError(outcome)


def called() -> None:
    """Do nothing."""


@pytest.fixture
def client(redis_url: str, redis_client: Redis) -> Iterator[Redis]:
    made = make_job_client(redis_url, timeout_ms=20_000)
    yield made
    made.close()


@pytest.fixture
def jobs(client: Redis) -> RqJobQueue:
    return RqJobQueue(client, prefix="t")


@pytest.fixture
def queue(client: Redis) -> Queue:
    return Queue(queue_name("t"), connection=client, serializer=JSONSerializer)


def work(queue: Queue) -> None:
    worker = SimpleWorker([queue], connection=queue.connection, serializer=JSONSerializer)
    worker.work(burst=True, logging_level="CRITICAL")


def fetch(queue: Queue) -> Job:
    return Job.fetch(JOB_ID, connection=queue.connection, serializer=JSONSerializer)


def silent_for(seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def test_arguments_travel_as_json(jobs: RqJobQueue, queue: Queue) -> None:
    assert jobs.enqueue(NAME, "ok", 7, None, unique_id="tick")
    stored = queue.connection.hget(f"rq:job:{JOB_ID}", "data")
    assert b"ok" in stored or fetch(queue).args == ["ok", 7, None]
    assert fetch(queue).timeout == 600


def test_a_unique_job_waits_once(jobs: RqJobQueue, queue: Queue) -> None:
    assert jobs.enqueue(NAME, "ok", unique_id="tick")
    assert not jobs.enqueue(NAME, "ok", unique_id="tick")
    assert queue.count == 1


def test_other_jobs_do_not_wait_for_each_other(jobs: RqJobQueue, queue: Queue) -> None:
    assert jobs.enqueue(NAME, "ok")
    assert jobs.enqueue(NAME, "ok")
    assert jobs.enqueue(NAME, "ok", unique_id="tock")
    assert queue.count == 3


def test_messages_wait_in_a_lane_of_their_own(client: Redis, queue: Queue) -> None:
    assert RqJobQueue(client, prefix="t", lane=Lane.MESSAGES).enqueue(NAME, "ok")
    assert queue.count == 0
    assert client.llen(f"rq:queue:{queue_name('t', Lane.MESSAGES)}") == 1


def test_a_job_that_is_done_leaves_its_id_free_and_nothing_behind(
    jobs: RqJobQueue, queue: Queue, client: Redis
) -> None:
    jobs.enqueue(NAME, "ok", unique_id="tick")
    work(queue)
    assert list(client.scan_iter("rq:job:*")) == []
    assert jobs.enqueue(NAME, "ok", unique_id="tick")


def test_a_failed_job_leaves_its_id_free(jobs: RqJobQueue, queue: Queue, client: Redis) -> None:
    jobs.enqueue(NAME, "fail", unique_id="tick")
    work(queue)
    assert fetch(queue).get_status() == JobStatus.FAILED
    assert 0 < client.ttl(f"rq:job:{JOB_ID}") <= 24 * 3600
    assert jobs.enqueue(NAME, "ok", unique_id="tick")
    assert queue.failed_job_registry.count == 0
    assert queue.count == 1


def start(queue: Queue, *, silent_s: float) -> None:
    """Leave a job as a worker does that was killed while it ran: started, with an execution, and no sign of life."""
    started = fetch(queue)
    queue.connection.lrem(queue.key, 0, started.id)
    with queue.connection.pipeline() as pipeline:
        Execution.create(started, 65, pipeline=pipeline)
        started.prepare_for_execution("dead worker", pipeline)
        pipeline.execute()
    queue.connection.hset(f"rq:job:{started.id}", "last_heartbeat", silent_for(silent_s))


def test_a_running_job_is_left_alone(jobs: RqJobQueue, queue: Queue) -> None:
    jobs.enqueue(NAME, "ok", unique_id="tick")
    start(queue, silent_s=6)
    assert not jobs.enqueue(NAME, "ok", unique_id="tick")


@pytest.mark.parametrize("execution_has_run_out", [False, True])
def test_a_job_whose_worker_was_killed_is_replaced(
    jobs: RqJobQueue, queue: Queue, client: Redis, execution_has_run_out: bool
) -> None:
    jobs.enqueue(NAME, "ok", unique_id="tick")
    start(queue, silent_s=31)
    if execution_has_run_out:
        client.delete(*client.scan_iter("rq:execution:*"))
    assert jobs.enqueue(NAME, "ok", unique_id="tick")
    assert queue.count == 1
    assert fetch(queue).get_status() == JobStatus.QUEUED
    assert client.zcard(queue.started_job_registry.key) == 0
    queue.started_job_registry.cleanup(timestamp=datetime.now(UTC).timestamp() + 1_000)
    assert fetch(queue).get_status() == JobStatus.QUEUED
    work(queue)
    assert not client.exists(f"rq:job:{JOB_ID}")


def test_a_job_lost_between_list_and_worker_is_replaced(jobs: RqJobQueue, queue: Queue, client: Redis) -> None:
    jobs.enqueue(NAME, "ok", unique_id="tick")
    client.lmove(queue.key, queue.intermediate_queue.key)
    assert not jobs.enqueue(NAME, "ok", unique_id="tick")
    client.hset(f"rq:job:{JOB_ID}", "enqueued_at", silent_for(31))
    assert jobs.enqueue(NAME, "ok", unique_id="tick")
    assert client.llen(queue.intermediate_queue.key) == 0
    assert queue.count == 1


def test_a_hash_without_a_job_in_it_is_swept_away(jobs: RqJobQueue, queue: Queue, client: Redis) -> None:
    client.hset(f"rq:job:{JOB_ID}", "last_heartbeat", silent_for(0))
    assert jobs.enqueue(NAME, "ok", unique_id="tick")
    assert queue.count == 1


def test_two_installations_on_one_server_do_not_meet(jobs: RqJobQueue, client: Redis, queue: Queue) -> None:
    assert jobs.enqueue(NAME, "ok", unique_id="tick")
    assert RqJobQueue(client, prefix="u").enqueue(NAME, "ok", unique_id="tick")
    assert queue.count == 1


def test_a_server_that_is_away_is_a_fact() -> None:
    jobs = RqJobQueue(make_job_client("redis://127.0.0.1:1", timeout_ms=100), prefix="t")
    with pytest.raises(QueueUnavailable):
        jobs.enqueue(NAME, "ok", unique_id="tick")
    with pytest.raises(QueueUnavailable):
        jobs.enqueue(NAME, "ok")


def test_a_job_that_is_called_waits_once_and_ahead_of_others(jobs: RqJobQueue, queue: Queue) -> None:
    jobs.enqueue(NAME, "ok", unique_id="tick")
    assert jobs.call(CALLED)
    assert not jobs.call(CALLED)
    first, _ = queue.get_jobs()
    assert (first.func_name, queue.count) == (CALLED, 2)


def test_a_call_while_the_job_is_under_way_has_it_run_once_more(jobs: RqJobQueue, queue: Queue, client: Redis) -> None:
    """The second call comes when the job has begun, and is not lost though the first is not done."""
    jobs.call(CALLED)
    (under_way,) = queue.get_jobs()
    client.lpop(queue.key)
    under_way.set_status(JobStatus.STARTED)
    client.hset(f"rq:job:{under_way.id}", "last_heartbeat", silent_for(0))
    jobs.began(CALLED)
    assert jobs.call(CALLED)
    assert not jobs.call(CALLED)
    work(queue)
    assert not any(job.is_queued for job in queue.get_jobs())
    jobs.began(CALLED)
    assert jobs.call(CALLED)


def test_a_call_after_a_worker_died_before_it_began_is_not_blocked_for_ever(
    jobs: RqJobQueue, queue: Queue, client: Redis
) -> None:
    jobs.call(CALLED)
    (dead,) = queue.get_jobs()
    client.lpop(queue.key)
    assert not jobs.call(CALLED), "it may be about to begin"
    client.hset(f"rq:job:{dead.id}", "enqueued_at", silent_for(60))
    assert jobs.call(CALLED)


def test_calling_a_redis_that_is_away_is_said(jobs: RqJobQueue) -> None:
    nowhere = RqJobQueue(make_job_client("redis://127.0.0.1:1/0", timeout_ms=200), prefix="t")
    with pytest.raises(QueueUnavailable):
        nowhere.call(CALLED)
    with pytest.raises(QueueUnavailable):
        nowhere.began(CALLED)
