"""Worker and clock as processes, while Redis and they themselves are killed and come back."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import Engine, text

from scripts.account import server_account
from scripts.embedded_server import RunningServer, Start
from scripts.embedded_valkey import Valkey, embedded_valkey
from scripts.ports import free_port
from scripts.waiting import wait_until
from service.domain.model import Priority
from service.job_queue import RqJobQueue, make_job_client
from service.store.import_jobs import PostgresImports
from service.ticket_queue.client import make_client
from service.ticket_queue.keys import Keys
from service.usecases.imports import Imports
from service.usecases.ports.imports import ImportJob, ImportStatus, OnError
from service.usecases.ticket_files import FileFormat
from workers.pulse import Pulse, look

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PREFIX = "processes"
PATIENCE_S = 180


class Stage:
    """A Redis that may be killed, a database, and the processes between them."""

    def __init__(self, engine: Engine, database_url: str, directory: Path, stack: ExitStack) -> None:
        self.engine = engine
        self.directory = directory
        self.keys = Keys(PREFIX)
        self._stack = stack
        self._database_url = database_url
        account = server_account(directory / "valkey")
        self._valkey: Valkey = embedded_valkey(
            directory / "valkey", log=directory / "valkey.log", port=free_port(), password="secret",
            account=account, throwaway=True,
        )  # fmt: skip
        self.redis_url = self._valkey.url
        self._server: RunningServer | None = None
        self.client: Redis = make_client(self._valkey.url, timeout_ms=2_000)
        stack.callback(self.client.close)
        stack.callback(self.kill_redis)

    def start_redis(self) -> None:
        self._server = Start(self._valkey, may_move=False).wait()

    def kill_redis(self) -> None:
        if self._server is not None:
            self._server.process.kill()
            self._server.process.wait()
            self._server = None

    def spawn(self, what: str, **settings: str) -> subprocess.Popen[bytes]:
        environ = {
            **os.environ,
            "DATABASE_URL": self._database_url,
            "REDIS_URL": self._valkey.url,
            "JWT_SECRET_KEY": "a key that is good enough for tests",
            "QUEUE_PREFIX": PREFIX,
            "RECONCILE_FAST_S": "0.5",
            "RECONCILE_FULL_S": "3600",
            "AWAY_GRACE_S": "1",
            "LOG_FORMAT": "text",
            "VAR_DIR": str(self.directory / "var"),
            "WEAK_SECRETS": "allowed",
            **settings,
        }
        with self.log(what).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "workers", what], cwd=ROOT, env=environ, stdout=log, stderr=log
            )
        self._stack.callback(_end, process)
        return process

    def log(self, what: str) -> Path:
        return self.directory / f"{what}.log"

    def said(self, what: str) -> str:
        return self.log(what).read_text()

    def queued(self) -> list[int]:
        return [int(entry) for entry in self.client.lrange(self.keys.queue(Priority.MEDIUM), 0, -1)]

    def runs(self, **wanted: str) -> int:
        condition = " AND ".join(f"{name} = :{name}" for name in wanted)
        with self.engine.connect() as connection:
            query = text(f"SELECT count(*) FROM reconciliations WHERE {condition}")
            return connection.execute(query, wanted).scalar_one()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _stop(process: subprocess.Popen[bytes]) -> int:
    process.send_signal(signal.SIGTERM)
    return process.wait(timeout=PATIENCE_S)


def _eventually(condition: Callable[[], bool], stage: Stage) -> None:
    if not wait_until(condition, PATIENCE_S):
        logs = "\n".join(path.read_text() for path in sorted(stage.directory.glob("*.log")))
        pytest.fail(f"did not come about within {PATIENCE_S} s; the logs say:\n{logs}")


@pytest.fixture
def stage(engine: Engine, database_url: str) -> Iterator[Stage]:
    with ExitStack() as stack:
        # Not pytest's own place: as root, the server runs under another account, which cannot enter it.
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fairdeal-workers-")))
        directory.chmod(0o711)
        made = Stage(engine, database_url, directory, stack)
        made.start_redis()
        yield made


@pytest.fixture
def make_open(engine: Engine) -> Callable[[int], list[int]]:
    def make(count: int) -> list[int]:
        query = text("INSERT INTO tickets (subject) SELECT 'x' FROM generate_series(1, :count) RETURNING id")
        with engine.begin() as connection:
            return sorted(connection.execute(query, {"count": count}).scalars())

    return make


def test_worker_and_clock_mend_the_queue_through_outages_of_redis(
    stage: Stage, make_open: Callable[[int], list[int]]
) -> None:
    ids = make_open(30)
    worker, clock = stage.spawn("worker"), stage.spawn("clock")
    _eventually(lambda: stage.queued() == ids, stage)
    _eventually(lambda: stage.runs(trigger="untrusted", status="done") == 1, stage)

    # Gone while both are idle, or one is at work; back empty, as nothing was persisted.
    stage.kill_redis()
    _eventually(lambda: "clock_stands_still" in stage.said("clock"), stage)
    _eventually(lambda: "worker_starts_again" in stage.said("worker") or "retrying" in stage.said("worker"), stage)
    ids += make_open(5)
    stage.start_redis()
    _eventually(lambda: stage.queued() == ids, stage)
    assert (worker.poll(), clock.poll()) == (None, None)

    # A ticket that never arrived is found by the fast tier.
    ids += make_open(1)
    _eventually(lambda: stage.queued() == ids, stage)
    _eventually(lambda: stage.runs(tier="fast", trigger="clock", status="done") >= 1, stage)

    assert _stop(clock) == 0
    assert _stop(worker) == 0
    assert "Traceback" not in (said := stage.said("worker") + stage.said("clock")), said
    assert "secret" not in stage.said("worker") + stage.said("clock")


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")
def test_fast_runs_share_a_process_that_may_be_killed_at_any_time(stage: Stage) -> None:
    worker, _ = stage.spawn("worker"), stage.spawn("clock")

    def last_run() -> object:
        query = text("SELECT max(finished_at) FROM reconciliations WHERE tier = 'fast' AND status = 'done'")
        with stage.engine.connect() as connection:
            return connection.execute(query).scalar_one()

    def horse() -> int:
        """Name the process that is there after each of three runs; other jobs have one for themselves."""
        seen: list[set[str]] = []
        while len(seen) < 3:
            before = last_run()
            _eventually(lambda before=before: last_run() != before, stage)  # type: ignore[misc]
            seen.append(set(Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()))
        (stays,) = set.intersection(*seen)
        return int(stays)

    _eventually(lambda: last_run() is not None, stage)
    first = horse()
    assert horse() == first
    os.kill(first, signal.SIGKILL)
    _eventually(lambda: not Path(f"/proc/{first}").exists(), stage)
    second = horse()
    assert second != first
    assert _stop(worker) == 0
    assert not Path(f"/proc/{second}").exists()
    assert "Traceback" not in (said := stage.said("worker")), said


@pytest.mark.parametrize("what", ["worker", "messenger", "clock"])
def test_a_process_shows_that_it_lives_while_redis_is_away(stage: Stage, what: str) -> None:
    process, pulse = stage.spawn(what), Pulse(stage.directory / "var", what)
    _eventually(lambda: look(pulse, time.time()) is None, stage)
    stage.kill_redis()
    seen = time.time()
    _eventually(lambda: pulse.path.stat().st_mtime > seen + 1, stage)
    assert process.poll() is None


def test_what_an_away_agent_has_not_begun_goes_back_by_itself(
    stage: Stage, make_open: Callable[[int], list[int]], make_agent: Callable[..., int]
) -> None:
    agent_id, ids = make_agent(), make_open(3)
    _hold(stage.engine, agent_id, begun=ids[1])
    with stage.engine.begin() as connection:
        connection.execute(text("UPDATE agents SET availability = 'away'"))
    stage.spawn("worker")
    stage.spawn("clock")
    _eventually(lambda: stage.queued() == [ids[0], ids[2]], stage)
    with stage.engine.connect() as connection:
        held = connection.execute(text("SELECT id FROM tickets WHERE agent_id = :id"), {"id": agent_id})
        assert held.scalars().all() == [ids[1]]


def test_what_has_not_begun_within_the_hold_limit_is_warned_of_and_goes_back_by_itself(
    stage: Stage, make_open: Callable[[int], list[int]], make_agent: Callable[..., int]
) -> None:
    agent_id, ids = make_agent(), make_open(3)
    _hold(stage.engine, agent_id, begun=ids[1])
    for what in ("worker", "clock"):
        stage.spawn(what, HOLD_LIMIT_S="4", HOLD_WARNING_S="2")
    _eventually(lambda: stage.queued() == [ids[0], ids[2]], stage)
    query = text("SELECT cause FROM ticket_events WHERE ticket_id = :id ORDER BY id")
    with stage.engine.connect() as connection:
        held = connection.execute(text("SELECT id FROM tickets WHERE agent_id = :id"), {"id": agent_id})
        assert held.scalars().all() == [ids[1]]
        causes = connection.execute(query, {"id": ids[0]}).scalars().all()
        assert causes == ["hold_warning", "hold_limit"]


def _hold(engine: Engine, agent_id: int, *, begun: int) -> None:
    """Give an agent all tickets, one of them as if they had begun it."""
    hold = text(
        "UPDATE tickets SET status = CASE id WHEN :begun THEN 'in_progress' ELSE 'assigned' END,"
        " agent_id = :agent, epoch = epoch + 1, assigned_at = now()"
    )
    with engine.begin() as connection:
        connection.execute(hold, {"begun": begun, "agent": agent_id})


def test_both_wait_for_a_redis_that_is_not_there_yet(stage: Stage, make_open: Callable[[int], list[int]]) -> None:
    ids = make_open(3)
    stage.kill_redis()
    worker, clock = stage.spawn("worker"), stage.spawn("clock")
    _eventually(lambda: "worker_starts_again" in stage.said("worker"), stage)
    stage.start_redis()
    _eventually(lambda: stage.queued() == ids, stage)
    stage.kill_redis()
    assert _stop(clock) == 0
    assert _stop(worker) == 0, stage.said("worker")
    assert "Traceback" not in (said := stage.said("worker") + stage.said("clock")), said


@pytest.mark.faults
def test_a_killed_worker_blocks_nothing_for_long(stage: Stage, make_open: Callable[[int], list[int]]) -> None:
    """The job is under way when its worker is killed: it waits for the lease that the test holds."""
    with stage.engine.begin() as connection:
        connection.execute(
            text("INSERT INTO leases (name, holder, expires_at) VALUES ('reconcile', 'test', now() + interval '1 day')")
        )
    ids = make_open(3)
    worker = stage.spawn("worker")
    stage.spawn("clock")
    _eventually(lambda: stage.client.hget(f"rq:job:{PREFIX}-reconcile-full", "status") == "started", stage)
    worker.kill()
    worker.wait()
    with stage.engine.begin() as connection:
        connection.execute(text("DELETE FROM leases WHERE name = 'reconcile'"))
    stage.spawn("worker")
    _eventually(lambda: stage.queued() == ids, stage)


def test_a_second_clock_waits_and_takes_over(stage: Stage) -> None:
    first = stage.spawn("clock")
    _eventually(lambda: "clock_kept" in stage.said("clock"), stage)
    stage.log("clock").rename(stage.log("first"))
    stage.spawn("clock")
    assert _stop(first) == 0
    _eventually(lambda: "clock_kept" in stage.said("clock"), stage)


@pytest.mark.parametrize("what", ["worker", "messenger", "clock"])
def test_bad_settings_are_named_and_end_the_process(what: str) -> None:
    environ = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
    ended = subprocess.run(
        [sys.executable, "-m", "workers", what], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )
    assert ended.returncode != 0
    assert "DATABASE_URL: is not set" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_import_outlives_its_worker(stage: Stage) -> None:
    rows = 20_000
    content = "subject\n" + "".join(f"Ticket {n}\n" for n in range(rows))
    store = PostgresImports(stage.engine)
    client = make_job_client(stage.redis_url, timeout_ms=2_000)
    imports = Imports(store=store, ticket_import=None, jobs=RqJobQueue(client, prefix=PREFIX), clock=time.monotonic)  # type: ignore[arg-type]
    job = imports.accept(io.BytesIO(content.encode()), format=FileFormat.CSV, on_error=OnError.SKIP, actor_id=None)
    client.close()
    assert isinstance(job, ImportJob)
    worker = stage.spawn("worker")
    _eventually(lambda: imports.get(job.id).line > 0, stage)
    _end(worker)
    left_at = imports.get(job.id)
    assert left_at.line < rows, "the worker was faster than the test"
    assert left_at.status is ImportStatus.RUNNING
    with stage.engine.begin() as connection:
        connection.execute(text("UPDATE imports SET seen_at = seen_at - interval '31 seconds'"))
    stage.spawn("worker")
    stage.spawn("clock")
    _eventually(lambda: imports.get(job.id).status is ImportStatus.DONE, stage)
    assert (imports.get(job.id).imported, imports.get(job.id).bad) == (rows, 0)
    with stage.engine.connect() as connection:
        query = text("SELECT count(*), count(DISTINCT subject) FROM tickets")
        assert tuple(connection.execute(query).one()) == (rows, rows)
