"""Which jobs are done in the worker's own process, and which in one of their own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

from service.job_queue import make_job_client
from service.usecases.reconciliations import JOB
from workers import jobs
from workers.worker import PatientWorker


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where each run says what it was asked for, in which process, and whether that stays."""
    path = tmp_path / "told"

    def reconcile(*args: object) -> None:
        with path.open("a") as file:
            file.write(f"{args} {os.getpid()} {jobs.stays()}\n")

    monkeypatch.setattr(jobs, "reconcile", reconcile)
    return path


@pytest.mark.parametrize(
    ("args", "is_quick"),
    [
        (("fast", "clock"), True),
        (("fast", "page", 7), False),
        (("full", "clock"), False),
        (("full", "untrusted"), False),
    ],
    ids=repr,
)
def test_only_the_clocks_fast_runs_are_done_in_the_workers_process(
    redis_url: str, redis_client: Redis, told: Path, args: tuple[object, ...], is_quick: bool
) -> None:
    with make_job_client(redis_url, timeout_ms=20_000) as client:
        queue = Queue("quick", connection=client, serializer=JSONSerializer)
        queue.enqueue(JOB, *args)
        worker = PatientWorker([queue], connection=client, serializer=JSONSerializer)
        worker.work(burst=True, logging_level="CRITICAL")
    said, pid, stays = told.read_text().rsplit(" ", 2)
    assert said == str(args)
    assert (int(pid) == os.getpid(), stays.strip()) == (is_quick, str(is_quick))
    assert not jobs.stays()
