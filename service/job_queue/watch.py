"""The background jobs as an operator sees them: see `service.usecases.ports.operations.JobWatch`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from redis import Redis
from rq import Queue, Worker
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.job import Job
from rq.registry import FailedJobRegistry, StartedJobRegistry
from rq.serializers import JSONSerializer
from rq.worker import BaseWorker

from service.job_queue import errors_as_facts, queue_name, sweep
from service.usecases.ports.operations import FailedJob, JobsState, WorkerState

MOST_ERROR = 20_000
"""Characters of an error that are shown, its end."""


class RqJobWatch:
    """Look at the RQ queue of one installation, and at its failed jobs."""

    def __init__(self, client: Redis, *, prefix: str) -> None:
        self._client = client
        self._prefix = prefix

    def state(self) -> JobsState:
        """Read the registries' lengths and each worker's hash; RQ's own counting would tidy up on the way."""
        with errors_as_facts():
            queue = self._queue()
            workers = Worker.all(queue=queue, serializer=JSONSerializer)
            return JobsState(
                workers=tuple(sorted((_worker(one) for one in workers), key=lambda one: one.name)),
                waiting=queue.count,
                running=StartedJobRegistry(queue=queue).get_job_count(cleanup=False),
                failed=FailedJobRegistry(queue=queue).get_job_count(cleanup=False),
            )

    def failures(self, *, limit: int) -> Sequence[FailedJob]:
        """Read the newest entries of the registry; what has no job behind it any more is passed over."""
        with errors_as_facts():
            queue = self._queue()
            ids = FailedJobRegistry(queue=queue).get_job_ids(0, limit - 1, desc=True, cleanup=False)
            jobs = Job.fetch_many(ids, connection=self._client, serializer=JSONSerializer)
            return [_failed(job) for job in jobs if job is not None]

    def failure(self, job_id: str) -> FailedJob | None:
        """Read a job, if the registry names it."""
        with errors_as_facts():
            if self._client.zscore(FailedJobRegistry(queue=self._queue()).key, job_id) is None:
                return None
            try:
                return _failed(Job.fetch(job_id, connection=self._client, serializer=JSONSerializer))
            except NoSuchJobError:
                return None

    def requeue(self, job_id: str) -> bool:
        """Have RQ do it: of two at once, one takes the entry out of the registry and goes on."""
        with errors_as_facts():
            try:
                FailedJobRegistry(queue=self._queue()).requeue(job_id)
            except (NoSuchJobError, InvalidJobOperation):
                return False
            return True

    def forget(self, job_id: str) -> bool:
        """Take the entry out, then remove what is left of the job: of two at once, one has it."""
        with errors_as_facts():
            queue = self._queue()
            if not self._client.zrem(FailedJobRegistry(queue=queue).key, job_id):
                return False
            sweep(queue, job_id)
            return True

    def _queue(self) -> Queue:
        return Queue(queue_name(self._prefix), connection=self._client, serializer=JSONSerializer)


def _worker(worker: BaseWorker) -> WorkerState:
    return WorkerState(
        name=f"{worker.hostname or 'unknown host'}, process {worker.pid}",
        state=str(worker.get_state()),
        job=worker._job_id,  # what `Worker.all` has read; the method would ask Redis again
        heard_at=_aware(worker.last_heartbeat),
        since=_aware(worker.birth_date),
        done=worker.successful_job_count,
        failed=worker.failed_job_count,
    )


def _failed(job: Job) -> FailedJob:
    result = job.latest_result()
    error = (result.exc_string if result is not None else None) or ""
    return FailedJob(
        id=job.id,
        name=job.func_name or "",
        arguments=tuple(str(each) for each in job.args or ()),
        enqueued_at=_aware(job.enqueued_at),
        failed_at=_aware(job.ended_at),
        error=error[-MOST_ERROR:],
    )


def _aware(moment: datetime | None) -> datetime | None:
    if moment is None or moment.tzinfo is not None:
        return moment
    return moment.replace(tzinfo=UTC)
