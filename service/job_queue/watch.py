"""The background jobs as an operator sees them: see `service.usecases.ports.operations.JobWatch`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import cast

from redis import Redis
from rq import Queue, Worker
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.job import Job
from rq.registry import FailedJobRegistry, StartedJobRegistry
from rq.serializers import JSONSerializer
from rq.utils import utcparse
from rq.worker import BaseWorker

from service.job_queue import Lane, errors_as_facts, queue_name, sweep
from service.usecases.ports.operations import FailedJob, JobsState, LaneState, WorkerState

MOST_ERROR = 20_000
"""Characters of an error that are shown, its end."""

LONG_AGO = datetime.min.replace(tzinfo=UTC)


class RqJobWatch:
    """Look at the RQ queues of one installation, and at their failed jobs."""

    def __init__(self, client: Redis, *, prefix: str) -> None:
        self._client = client
        self._queues = {
            lane: Queue(queue_name(prefix, lane), connection=client, serializer=JSONSerializer) for lane in Lane
        }

    def state(self) -> JobsState:
        """Read the registries' lengths and each worker's hash; RQ's own counting would tidy up on the way."""
        with errors_as_facts():
            workers = [
                _worker(worker, lane)
                for lane, queue in self._queues.items()
                for worker in Worker.all(queue=queue, serializer=JSONSerializer)
            ]
            lanes = tuple(_lane(lane, queue) for lane, queue in self._queues.items())
        return JobsState(workers=tuple(sorted(workers, key=lambda one: (one.lane, one.name))), lanes=lanes)

    def failures(self, *, limit: int) -> Sequence[FailedJob]:
        """Read the newest entries of the registries; what has no job behind it any more is passed over."""
        with errors_as_facts():
            found = [
                _failed(job, lane)
                for lane, queue in self._queues.items()
                for job in Job.fetch_many(
                    FailedJobRegistry(queue=queue).get_job_ids(0, limit - 1, desc=True, cleanup=False),
                    connection=self._client,
                    serializer=JSONSerializer,
                )
                if job is not None
            ]
        return sorted(found, key=lambda one: one.failed_at or LONG_AGO, reverse=True)[:limit]

    def failure(self, job_id: str) -> FailedJob | None:
        """Read a job, if a registry names it."""
        with errors_as_facts():
            for lane, queue in self._queues.items():
                if self._client.zscore(FailedJobRegistry(queue=queue).key, job_id) is not None:
                    try:
                        job = Job.fetch(job_id, connection=self._client, serializer=JSONSerializer)
                    except NoSuchJobError:
                        return None
                    return _failed(job, lane)
        return None

    def requeue(self, job_id: str) -> bool:
        """Have RQ do it: of two at once, one takes the entry out of the registry and goes on."""
        with errors_as_facts():
            return any(_requeue(queue, job_id) for queue in self._queues.values())

    def forget(self, job_id: str) -> bool:
        """Take the entry out, then remove what is left of the job: of two at once, one has it."""
        with errors_as_facts():
            for queue in self._queues.values():
                if self._client.zrem(FailedJobRegistry(queue=queue).key, job_id):
                    sweep(queue, job_id)
                    return True
        return False


def _requeue(queue: Queue, job_id: str) -> bool:
    try:
        FailedJobRegistry(queue=queue).requeue(job_id)
    except (NoSuchJobError, InvalidJobOperation):
        return False
    return True


def _lane(lane: Lane, queue: Queue) -> LaneState:
    return LaneState(
        lane=lane.value,
        waiting=queue.count,
        running=StartedJobRegistry(queue=queue).get_job_count(cleanup=False),
        failed=FailedJobRegistry(queue=queue).get_job_count(cleanup=False),
        oldest_waiting_s=_waited_s(queue),
    )


def _waited_s(queue: Queue) -> float:
    """See when the job was enqueued that is next; one that has just been taken has not waited."""
    next_id = cast("bytes | None", queue.connection.lindex(queue.key, 0))
    if next_id is None:
        return 0.0
    enqueued_at = cast("bytes | None", queue.connection.hget(Job.key_for(next_id.decode()), "enqueued_at"))
    try:
        since = utcparse((enqueued_at or b"").decode())
    except ValueError:  # its hash is gone, or holds something else
        return 0.0
    return max(0.0, (datetime.now(UTC) - since).total_seconds())


def _worker(worker: BaseWorker, lane: Lane) -> WorkerState:
    return WorkerState(
        name=f"{worker.hostname or 'unknown host'}, process {worker.pid}",
        lane=lane.value,
        state=str(worker.get_state()),
        job=worker._job_id,  # what `Worker.all` has read; the method would ask Redis again
        heard_at=_aware(worker.last_heartbeat),
        since=_aware(worker.birth_date),
        done=worker.successful_job_count,
        failed=worker.failed_job_count,
    )


def _failed(job: Job, lane: Lane) -> FailedJob:
    result = job.latest_result()
    error = (result.exc_string if result is not None else None) or ""
    return FailedJob(
        id=job.id,
        lane=lane.value,
        name=job.func_name or "",
        arguments=tuple(str(each) for each in job.args or ()),
        enqueued_at=_aware(job.enqueued_at),
        failed_at=_aware(result.created_at if result is not None else job.ended_at),
        error=error[-MOST_ERROR:],
    )


def _aware(moment: datetime | None) -> datetime | None:
    if moment is None or moment.tzinfo is not None:
        return moment
    return moment.replace(tzinfo=UTC)
