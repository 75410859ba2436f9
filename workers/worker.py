"""The RQ worker, made to outlive Redis.

What rq 2.12 does by itself when Redis goes away: while it waits for a job it tries again, ever more slowly; while it
starts, runs a job or reports one, it logs a traceback and quits. So its settings are tightened, and a loop starts it
again.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import random
import signal
import sys
import time
from types import FrameType
from typing import Any

from redis import Redis
from redis.client import Pipeline, PubSub, PubSubWorkerThread
from redis.exceptions import RedisError
from rq import Worker
from rq.executions import Execution
from rq.job import Job
from rq.queue import Queue
from rq.serializers import JSONSerializer

from service.config import Settings
from service.job_queue import Lane, id_of, make_job_client, queue_name
from service.usecases.ports.reconcile import Tier
from service.usecases.reconciliation.schedule import unique_id
from workers import parts
from workers.pulse import Pulse
from workers.reporting import report
from workers.steady_horse import SteadyHorse

log = logging.getLogger(__name__)

WORKER_TTL_S = 20
MAINTENANCE_S = 30
MONITORING_S = 5
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 5.0
SOCKET_TIMEOUT_MS = 20_000
"""Longer than a worker waits for a job (5 s)."""

NAMES = {Lane.WORK: "worker", Lane.MESSAGES: "messenger"}

_PR_SET_PDEATHSIG = 1


class PatientWorker(Worker):
    """A worker that says when it was told to stop, and whose jobs die with it."""

    max_connection_wait_time = LONGEST_PAUSE_S
    told_to_stop = False
    listens_no_more = False
    prefix = ""
    """What the installation's keys in Redis begin with."""
    pulse: Pulse | None = None
    shared: frozenset[str] = frozenset()
    """The ids of the jobs that share a process."""
    _steady: SteadyHorse | None = None

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """Note on this machine first that the worker goes on: Redis may be away."""
        if self.pulse is not None:
            self.pulse.beat()
        super().heartbeat(timeout, pipeline)

    def handle_warm_shutdown_request(self) -> None:
        """Remember that the end of `work` was wanted."""
        self.told_to_stop = True
        super().handle_warm_shutdown_request()  # type: ignore[no-untyped-call]

    def set_shutdown_requested_date(self) -> None:
        """Note in Redis that the worker is about to stop, if that can be: it runs in the signal's handler."""
        with contextlib.suppress(RedisError, OSError):
            super().set_shutdown_requested_date()  # type: ignore[no-untyped-call]

    def perform_job(self, job: Job, queue: Queue) -> bool:
        """Perform a job, in its own process, and report on it."""
        parents = super().perform_job
        return report(job, lambda: parents(job, queue), client=self.connection, prefix=self.prefix)

    def fork_work_horse(self, job: Job, queue: Queue) -> None:
        """Give the job to a process: to the one that stays, if it is one of those that share it."""
        if job.id not in self.shared or self.execution is None:
            super().fork_work_horse(job, queue)
            return
        if self._steady is not None and not self._steady.begin(job.id, self.execution.id):
            self._let_go()
        if self._steady is None:
            self._steady = SteadyHorse(self._work_in_harness, leave=parts.let_go)
            self._steady.begin(job.id, self.execution.id)
        self._horse_pid = self._steady.pid

    def wait_for_horse(self) -> tuple[int | None, int | None, Any]:
        """Wait for the process's end, or for the word of the one that stays."""
        if self._steady is None or self._steady.pid != self.horse_pid:
            return super().wait_for_horse()
        status = self._steady.wait()
        if status is not None:
            self._let_go()
        return self.horse_pid, os.EX_OK if status is None else status, None

    def _let_go(self) -> None:
        if self._steady is not None:
            steady, self._steady = self._steady, None
            steady.let_go()

    def _work_in_harness(self, job_id: str, execution_id: str) -> bool:
        """Do a job in the process that stays. Raises what rq does where the job is not there any more."""
        if not self.is_horse:  # as rq's `main_work_horse` begins
            os.setpgrp()
            random.seed()
            self.setup_work_horse_signals()
            self._is_horse = True
            parts.keep()
        job = Job.fetch(job_id, connection=self.connection, serializer=self.serializer)
        self.execution = Execution(execution_id, job_id, self.connection)
        return self.perform_job(job, self.queues[0])

    def setup_work_horse_signals(self) -> None:
        """Tie the job's process to the worker's: a job that went on by itself could run beside its successor."""
        super().setup_work_horse_signals()  # type: ignore[no-untyped-call]
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    def teardown(self) -> None:
        """Stop listening first.

        Rq does so only after Redis has heard of the worker's end; where Redis does not answer, the listener would
        be left behind, and trip over its connection when that is closed.
        """
        if not self.is_horse and self.pubsub_thread is not None:
            self.listens_no_more = True
            self.pubsub_thread.stop()
        if not self.is_horse:
            self._let_go()
        super().teardown()  # type: ignore[no-untyped-call]

    def _pubsub_exception_handler(
        self,
        exc: Exception,
        pubsub: PubSub,  # noqa: ARG002 - rq's signature
        pubsub_thread: PubSubWorkerThread,  # noqa: ARG002
    ) -> None:
        """Wait for Redis to come back, whatever it is that it does not answer with; at the end, whatever happens."""
        if self.listens_no_more:
            return
        if not isinstance(exc, RedisError | OSError):
            raise exc
        time.sleep(LONGEST_PAUSE_S)

    def handle_exception(self, job: Job, *exc_info: Any) -> None:
        """Log a job's failure as an event; rq would write it out as prose."""
        log.error("job_failed", extra={"job_id": job.id}, exc_info=exc_info)


class _WithoutTracebacks(logging.Filter):
    """Cut the traceback off where rq tells of a lost connection: that is weather, not a bug."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], RedisError | OSError):
            record.msg = f"{record.msg} (%s)"
            record.args = (*(record.args or ()), record.exc_info[1])
            record.exc_info = None
        return True


def run_worker(settings: Settings, lane: Lane = Lane.WORK) -> None:
    """Do the jobs of one queue until SIGTERM or SIGINT; a job under way is finished first."""
    rq_log = logging.getLogger("rq.worker")
    rq_log.setLevel(logging.WARNING)
    rq_log.addFilter(_WithoutTracebacks())
    _leave_on_signals()
    pause_s = FIRST_PAUSE_S
    pulse = pulse_of(settings, lane)
    while True:
        pulse.beat()
        started = time.monotonic()
        wanted, trouble = _work(settings, lane)
        if wanted:
            return
        _leave_on_signals()  # rq has left its own handlers behind, which stop a worker that is no more
        if time.monotonic() - started > LONGEST_PAUSE_S:
            pause_s = FIRST_PAUSE_S
        if pause_s == FIRST_PAUSE_S:
            log.warning("worker_starts_again", extra={"why": trouble})
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


def _work(settings: Settings, lane: Lane) -> tuple[bool, str]:
    """Work until it ends, and say whether that was wanted, and if not, what was the trouble."""
    worker: PatientWorker | None = None
    trouble = "rq gave up"
    with contextlib.closing(make_job_client(settings.jobs_url, timeout_ms=SOCKET_TIMEOUT_MS)) as client:
        try:
            worker = _make_worker(client, settings, lane)
            worker.work()
        except (RedisError, OSError) as exc:
            trouble = type(exc).__name__
    return worker is not None and worker.told_to_stop, trouble


def _make_worker(client: Redis, settings: Settings, lane: Lane) -> PatientWorker:
    queue = Queue(queue_name(settings.queue_prefix, lane), connection=client, serializer=JSONSerializer)
    worker = PatientWorker(
        [queue],
        connection=client,
        serializer=JSONSerializer,
        worker_ttl=WORKER_TTL_S,
        maintenance_interval=MAINTENANCE_S,
        job_monitoring_interval=MONITORING_S,
        log_job_description=False,
    )
    worker.prefix = settings.queue_prefix
    worker.shared = frozenset({id_of(settings.queue_prefix, unique_id(Tier.FAST))})
    worker.pulse = pulse_of(settings, lane)
    return worker


def pulse_of(settings: Settings, lane: Lane) -> Pulse:
    """Say where the worker of a queue leaves signs of life, under its name in the Procfile."""
    return Pulse(settings.var_dir, NAMES[lane])


def _leave_on_signals() -> None:
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)
