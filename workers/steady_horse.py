"""A work horse that stays: the jobs that come every other second share a process.

RQ forks a process for each job. Where the job is a look at the queue, the process and its connections cost five times
what the look does (docs/adr/0051). A horse that stays is told of its jobs by a pipe and answers by another; the worker
waits for the answer as it would for the end of the process, with the same signs of life, limits and verdicts. It leaves
when something about it has changed, and after a while in any case; the next job then finds a new one.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import resource
import select
import struct
import sys
import termios
import time
from collections.abc import Callable

from redis.exceptions import RedisError

log = logging.getLogger(__name__)

MOST_JOBS = 500
"""Done by one horse: what a job leaves behind without anybody noticing does not gather for ever."""

GROWTH_BYTES = 48 * 2**20
"""How much a horse's memory may have grown while it stays: the parts of a job are wired in half of that."""

PARTING_S = 3.0
"""How long an idle horse is waited for, which may have spans to send; one at work leaves after its job."""

UNKNOWN = 1 << 8
"""How a process ended of which that cannot be told any more: not well, so that rq looks at what became of the job."""

Work = Callable[[str, str], bool]
"""Do the job of an id in the execution of an id, and say whether all went well."""


class SteadyHorse:
    """The worker's end of a horse that stays. `wait` may be broken off by a signal's handler, and called again."""

    def __init__(self, work: Work, *, leave: Callable[[], None] = lambda: None) -> None:
        """Fork. The new process calls `work` for each job and `leave` at the end, and does nothing else."""
        orders, orders_end = os.pipe()
        answers_end, answers = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(orders_end)
            os.close(answers_end)
            _serve(orders, answers, work, leave)
        os.close(orders)
        os.close(answers)
        self._orders = os.fdopen(orders_end, "wb", buffering=0)
        self._answers = os.fdopen(answers_end, "rb", buffering=0)

    def begin(self, job_id: str, execution_id: str) -> bool:
        """Have a job done; False where the horse is gone, and nothing has been done."""
        if self._has_answered():  # the job before
            self._answers.read(1)
        try:
            self._orders.write(f"{job_id} {execution_id}\n".encode())
        except BrokenPipeError:
            return False
        return True

    def wait(self) -> int | None:
        """Wait until the job is done. None means that it is, and that the horse stays; else how its process ended."""
        select.select([self._answers], [], [])
        if self._has_answered():
            return None
        with contextlib.suppress(ChildProcessError):
            return os.waitpid(self.pid, 0)[1]
        return UNKNOWN  # it was told, and an alarm went off before anybody had noted it

    def let_go(self) -> None:
        """Have the horse leave, at once or after its job."""
        self._orders.close()
        self._answers.close()
        until = time.monotonic() + PARTING_S
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(self.pid, os.WNOHANG) == (0, 0) and time.monotonic() < until:
                time.sleep(0.01)

    def _has_answered(self) -> bool:
        """Say whether an answer waits, which is left where it is: closed pipes are readable, too, but hold nothing."""
        waiting: int = struct.unpack("i", fcntl.ioctl(self._answers, termios.FIONREAD, b"\0" * 4))[0]
        return waiting > 0


def _serve(orders: int, answers: int, work: Work, leave: Callable[[], None]) -> None:
    """Do jobs until the worker closes its end, or one has changed the process. Never returns."""
    status = 1
    try:
        _work(orders, answers, work)
        status = os.EX_OK
    except (RedisError, OSError) as exc:  # weather
        log.warning("horse_leaves", extra={"why": type(exc).__name__})
    except Exception:
        log.exception("horse_leaves")
    finally:
        try:
            leave()
        finally:
            os._exit(status)


def _work(orders: int, answers: int, work: Work) -> None:
    before = _condition()
    with os.fdopen(orders, encoding="utf-8") as lines:
        for done, line in enumerate(lines, start=1):
            job_id, _, execution_id = line.strip().partition(" ")
            if not work(job_id, execution_id) or _has_changed(before) or done == MOST_JOBS:
                return  # without an answer: who leaves must not be given another job
            with contextlib.suppress(BrokenPipeError):  # the worker has let go meanwhile
                os.write(answers, b".")


def _condition() -> tuple[int, int]:
    """Tell the process's niceness and the most memory it ever had, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return os.nice(0), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _has_changed(before: tuple[int, int]) -> bool:
    niceness, memory = _condition()
    return niceness != before[0] or memory > before[1] + GROWTH_BYTES
