"""Background jobs on RQ: see `service.usecases.ports.reconcile.JobQueue`. Jobs are named by string, arguments are JSON.

A unique job keeps its id for as long as its hash exists, and RQ leaves the hash behind when a job fails, and when a
worker is killed while it runs one or takes one up. Such remains are swept away before the next one is enqueued, or the
id would be blocked: until `failure_ttl`, or for ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import cast

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue
from rq.exceptions import DuplicateJobError, NoSuchJobError
from rq.job import Job, JobStatus
from rq.registry import FailedJobRegistry, StartedJobRegistry
from rq.serializers import JSONSerializer

from service import origin
from service.domain.errors import QueueUnavailable
from service.redis_servers import clients

JOB_TIMEOUT_S = 600
RESULT_TTL_S = 0
"""A job's result is its row in PostgreSQL; a hash that stayed would block the job's id."""
FAILURE_TTL_S = 24 * 3600

SILENCE = timedelta(seconds=15)
"""A worker shows signs of life every five seconds; a job that has shown none for this long is dead."""


class Lane(StrEnum):
    """The RQ queues of one installation; each has workers of its own, so that neither waits for the other."""

    WORK = "reconcile"
    """What keeps the service going."""
    MESSAGES = "messages"
    """What talks to other people's servers, which may be slow, or never answer."""


def queue_name(prefix: str, lane: Lane = Lane.WORK) -> str:
    """Name an RQ queue of one installation: several may share a server."""
    return f"{prefix}-{lane}"


def make_job_client(url: str, *, timeout_ms: int) -> Redis:
    """Make a client as RQ needs it: bytes, no retries of its own. Raises `ValueError` for a Cluster, as RQ has none."""
    return clients.make_client(url, timeout_ms=timeout_ms, text=False)


Arguments = tuple[str | int | bool | None, ...]


class RqJobQueue:
    """Hand jobs to the RQ workers of one queue."""

    def __init__(self, client: Redis, *, prefix: str, lane: Lane = Lane.WORK) -> None:
        self._client = client
        self._prefix = prefix
        self._name = queue_name(prefix, lane)

    def enqueue(self, name: str, *args: str | int | bool | None, unique_id: str | None = None) -> bool:
        """Enqueue; remains of a dead job of the same `unique_id` are swept away first."""
        with errors_as_facts():
            queue = Queue(self._name, connection=self._client, serializer=JSONSerializer)
            if unique_id is None:
                _enqueue(queue, name, args, job_id=None)
                return True
            return _enqueue_once(queue, name, args, job_id=id_of(self._prefix, unique_id))

    def call(self, name: str) -> bool:
        """Enqueue under an id that names the turn, at the front of the queue; see `service.usecases.ports.dispatch`.

        A job begins by going on to the next turn (`began`), and looks at the world only then. So a job of the present
        turn has not looked yet, wherever RQ has it, and will see what was there before this call.
        """
        with errors_as_facts():
            queue = Queue(self._name, connection=self._client, serializer=JSONSerializer)
            turn = cast("bytes | None", self._client.get(self._turn_key(name))) or b"0"
            job_id = id_of(self._prefix, f"{name}-{turn.decode()}")
            return _enqueue_once(queue, name, (), job_id=job_id, at_front=True)

    def began(self, name: str) -> None:
        """Go on to the next turn."""
        with errors_as_facts():
            self._client.incr(self._turn_key(name))

    def _turn_key(self, name: str) -> str:
        """Name the STRING that counts how often a job has begun."""
        return f"{{{self._prefix}}}:turn:{name}"

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


@contextmanager
def errors_as_facts() -> Iterator[None]:
    """Turn what Redis does not answer into `QueueUnavailable`."""
    try:
        yield
    except (RedisError, OSError) as exc:
        raise QueueUnavailable(f"The job queue did not answer ({type(exc).__name__}); try again shortly") from exc


def id_of(prefix: str, unique_id: str) -> str:
    """Write an id as RQ allows it: letters, digits, dashes and underscores."""
    return "".join(letter if letter.isalnum() else "-" for letter in f"{prefix}-{unique_id}")


def _enqueue_once(queue: Queue, name: str, args: Arguments, *, job_id: str, at_front: bool = False) -> bool:
    """Enqueue unless one of this id is there; remains of a dead one are swept away first."""
    try:
        _enqueue(queue, name, args, job_id=job_id, at_front=at_front)
    except DuplicateJobError:
        if not _is_dead(queue, job_id):
            return False
        sweep(queue, job_id)
        try:
            _enqueue(queue, name, args, job_id=job_id, at_front=at_front)
        except DuplicateJobError:  # somebody else was as quick
            return False
    return True


def _enqueue(queue: Queue, name: str, args: Arguments, *, job_id: str | None, at_front: bool = False) -> None:
    queue.enqueue_call(
        name,
        args=args,
        job_id=job_id,
        unique=job_id is not None,
        at_front=at_front,
        timeout=JOB_TIMEOUT_S,
        result_ttl=RESULT_TTL_S,
        failure_ttl=FAILURE_TTL_S,
        meta=origin.told(),
    )


def _is_dead(queue: Queue, job_id: str) -> bool:
    """Say whether a job will neither run nor is running, whatever its status pretends."""
    try:
        job = Job.fetch(job_id, connection=queue.connection, serializer=JSONSerializer)
    except NoSuchJobError:  # done in the meantime, or a hash without a job in it
        return True
    status = job.get_status(refresh=False)
    if status == JobStatus.STARTED:
        return _is_long_ago(job.last_heartbeat or job.started_at)
    if status == JobStatus.QUEUED:
        # A worker moves the id out of the list before it marks the job as started; killed in between, it lost the job.
        return queue.connection.lpos(queue.key, job_id) is None and _is_long_ago(job.enqueued_at)
    return True


def _is_long_ago(moment: datetime | None) -> bool:
    if moment is None:
        return True
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return datetime.now(UTC) - aware > SILENCE


def sweep(queue: Queue, job_id: str) -> None:
    """Remove all traces of a job, also those by which RQ would later fail a new one of the same id.

    Not `Job.delete`: it raises when an execution's key has run out before the job's list of executions.
    """
    started = StartedJobRegistry(queue=queue)
    failed = FailedJobRegistry(queue=queue)
    entries = cast("list[bytes]", queue.connection.zrange(started.key, 0, -1))
    executions = [entry for entry in entries if entry.startswith(f"{job_id}:".encode())]
    with queue.connection.pipeline() as pipeline:
        pipeline.lrem(queue.key, 0, job_id)
        pipeline.lrem(queue.intermediate_queue.key, 0, job_id)
        pipeline.delete(queue.intermediate_queue.get_first_seen_key(job_id))
        pipeline.zrem(failed.key, job_id)
        if executions:
            pipeline.zrem(started.key, *executions)
        pipeline.delete(Job.key_for(job_id), f"rq:executions:{job_id}", f"rq:results:{job_id}")
        pipeline.execute()
