"""Large uploads: kept in PostgreSQL, imported by a worker a slice at a time, gone on with after a crash."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import Engine, text

from service.bootstrap import Container
from service.domain.errors import Conflict, InvalidInput, NotFound, QueueUnavailable, StoreUnavailable
from service.domain.model import Priority
from service.store.import_jobs import PostgresImports
from service.ticket_queue.keys import Keys
from service.usecases import imports as module
from service.usecases import ticket_import
from service.usecases.imports import Imports
from service.usecases.ports.imports import ImportJob, ImportMark, ImportStatus, OnError
from service.usecases.ports.tickets import TicketDraft
from service.usecases.ticket_files import FileFormat

ROWS = 3_500
CONTENT = "subject,priority,description\n" + "".join(
    f"Ticket {n},{'urgent' if n % 700 == 650 else 'low'},{'d' * 400}\n" for n in range(ROWS)
)
BAD = ROWS // 700


class Jobs:
    """Remember what was enqueued, once for each unique id."""

    def __init__(self) -> None:
        self.enqueued: dict[str | None, int] = {}
        self.is_down = False

    def enqueue(self, name: str, *args: Any, unique_id: str | None = None) -> bool:
        if self.is_down:
            raise QueueUnavailable("away")
        assert name == module.JOB
        self.enqueued[unique_id] = args[0]
        return True


class Scene:
    def __init__(self, container: Container, engine: Engine) -> None:
        self.store = PostgresImports(engine)
        self.container = container
        self.engine = engine
        self.jobs = Jobs()
        self.now = 0.0
        self.imports = self.with_parts(lambda: self.now)

    def with_parts(self, clock: Callable[[], float], ticket_import: Any = None) -> Imports:
        return Imports(
            store=self.store, ticket_import=ticket_import or self.container.ticket_import, jobs=self.jobs, clock=clock
        )

    def hurried(self) -> Imports:
        """Imports whose slice of time is up after every batch."""

        def clock() -> float:
            self.now += 10
            return self.now

        return self.with_parts(clock)

    def accept(self, content: str = CONTENT, **options: Any) -> Any:
        wanted: dict[str, Any] = {"format": FileFormat.CSV, "on_error": OnError.SKIP, "actor_id": None, **options}
        return self.imports.accept(io.BytesIO(content.encode()), **wanted)

    def silence(self) -> None:
        """Let half a minute pass since the last sign of life."""
        with self.engine.begin() as connection:
            connection.execute(text("UPDATE imports SET seen_at = seen_at - interval '31 seconds'"))

    def scalar(self, sql: str) -> Any:
        with self.engine.connect() as connection:
            return connection.execute(text(sql)).scalar_one()

    def check_all_is_there_once(self, job_id: int) -> None:
        job = self.imports.get(job_id)
        assert (job.status, job.imported, job.bad, job.already_there) == (ImportStatus.DONE, ROWS - BAD, BAD, 0)
        assert [error.line for error in job.errors] == [n + 2 for n in range(650, ROWS, 700)]
        assert self.scalar("SELECT count(*) FROM tickets") == ROWS - BAD
        assert self.scalar("SELECT count(DISTINCT subject) FROM tickets") == ROWS - BAD
        assert self.scalar("SELECT count(*) FROM import_parts") == 0


@pytest.fixture
def scene(container: Container, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(ticket_import, "BATCH", 1_000)
    return Scene(container, engine)


def test_a_small_upload_is_imported_at_once(scene: Scene) -> None:
    [batch] = scene.accept("subject,priority\nOne,low\nTwo,x\n")
    assert ([row.line for row in batch.rows], [error.line for error in batch.errors]) == ([2], [3])
    assert scene.jobs.enqueued == {}


@pytest.mark.parametrize(
    ("content", "is_small"),
    [
        ("subject\n" + "x\n" * 999, True),
        ("subject\n" + "x\n" * 1_000, False),
        ("subject,description\nx," + "d" * 262_122, True),
        ("subject,description\nx," + "d" * 262_123, False),
    ],
)
def test_small_is_said_in_bytes_and_lines(scene: Scene, content: str, is_small: bool) -> None:
    assert isinstance(scene.accept(content), list) is is_small


def test_a_large_upload_is_imported_by_the_job(scene: Scene, redis_client: Redis, keys: Keys) -> None:
    job = scene.accept()
    assert (job.status, job.size_bytes, job.lines, job.line) == (ImportStatus.QUEUED, len(CONTENT), ROWS + 1, 0)
    assert scene.jobs.enqueued == {f"import-{job.id}-0": job.id}
    scene.imports.run(job.id)
    scene.check_all_is_there_once(job.id)
    queued = list(map(int, redis_client.lrange(keys.queue(Priority.LOW), 0, -1)))
    assert queued == sorted(queued)
    assert len(queued) == ROWS - BAD


def test_a_job_gives_way_after_its_slice_and_another_goes_on(scene: Scene) -> None:
    job = scene.accept()
    hurried, lines = scene.hurried(), []
    for _ in range(5):
        hurried.run(job.id)
        lines.append(scene.imports.get(job.id).line)
    assert lines == [1_001, 2_001, 3_001, 3_501, 3_501], "the last one finds the end"
    assert list(scene.jobs.enqueued) == [f"import-{job.id}-{n}" for n in range(5)]
    scene.check_all_is_there_once(job.id)


@pytest.mark.parametrize("batches", [0, 1, 2, 3])
def test_an_import_whose_worker_died_goes_on_behind_the_last_commit(scene: Scene, batches: int) -> None:
    class Killed(BaseException):
        """What a SIGKILL amounts to: nothing more is done."""

    class Dying:
        def batches(self, *args: Any, **options: Any) -> Any:
            for number, batch in enumerate(scene.container.ticket_import.batches(*args, **options)):
                yield batch
                if number + 1 >= batches:
                    raise Killed

    job = scene.accept()
    if batches:
        with pytest.raises(Killed):
            scene.with_parts(lambda: 0.0, Dying()).run(job.id)
    else:
        scene.store.begin(job.id, silent_for_s=30)
    assert scene.imports.get(job.id).line == 1_000 * batches + (1 if batches else 0)
    scene.imports.run(job.id)
    assert scene.imports.get(job.id).status is ImportStatus.RUNNING, "the worker may be alive"
    scene.silence()
    scene.jobs.enqueued.clear()
    scene.imports.resume()
    assert scene.jobs.enqueued == {f"import-{job.id}-1": job.id}
    scene.imports.run(job.id)
    scene.check_all_is_there_once(job.id)


def test_a_worker_only_thought_dead_is_refused_its_next_batch(scene: Scene) -> None:
    job = scene.accept()
    assert scene.store.begin(job.id, silent_for_s=30) is not None
    scene.silence()
    scene.imports.run(job.id)
    late = ImportMark(import_id=job.id, attempt=1, line=1_001, errors=())
    with pytest.raises(Conflict):
        scene.container.tickets.import_many([TicketDraft(subject="Late")], actor_id=None, mark=late)
    assert not scene.store.pause(job.id, 1)
    assert not scene.store.finish(job.id, 1, status=ImportStatus.FAILED)
    scene.check_all_is_there_once(job.id)


def test_without_redis_the_upload_is_kept_and_the_clock_enqueues_it(scene: Scene) -> None:
    scene.jobs.is_down = True
    job = scene.accept()
    assert isinstance(job, ImportJob)
    scene.jobs.is_down = False
    scene.imports.resume()
    assert scene.jobs.enqueued == {}, "too soon: a job may be on its way"
    scene.silence()
    scene.imports.resume()
    assert scene.jobs.enqueued == {f"import-{job.id}-0": job.id}


def test_an_import_stops_at_a_bad_row_when_that_is_wanted(scene: Scene) -> None:
    job = scene.accept(on_error=OnError.ABORT)
    scene.imports.run(job.id)
    found = scene.imports.get(job.id)
    assert (found.status, found.imported, found.bad, found.line) == (ImportStatus.STOPPED, 650, 1, 652)
    scene.imports.run(job.id)
    assert scene.scalar("SELECT count(*) FROM tickets") == 650


def test_a_file_of_bad_rows_alone_is_imported_to_its_end(scene: Scene) -> None:
    job = scene.accept("subject,priority\n" + "x,urgent\n" * 2_500)
    scene.imports.run(job.id)
    found = scene.imports.get(job.id)
    assert (found.status, found.imported, found.bad, found.line) == (ImportStatus.DONE, 0, 2_500, 2_501)
    assert [error.line for error in found.errors] == list(range(2, 102))


def test_a_large_file_that_will_not_do_is_refused_at_once(scene: Scene) -> None:
    with pytest.raises(InvalidInput, match="'colour'"):
        scene.accept("colour\n" + "red\n" * 2_000)
    assert scene.scalar("SELECT count(*) FROM imports") == 0


def test_an_upload_is_kept_whole_or_not_at_all(scene: Scene) -> None:
    def parts() -> Any:
        yield b"subject\n"
        raise StoreUnavailable("PostgreSQL did not answer")

    job = scene.accept()
    wanted = module.ImportRequest(format=job.format, on_error=job.on_error, requested_by=None, size_bytes=1, lines=1)
    with pytest.raises(StoreUnavailable):
        scene.store.request(wanted, parts())
    assert scene.scalar("SELECT count(*) FROM imports") == 1
    assert scene.store.part(job.id, 99) == b""


def test_an_import_that_is_not_there_is_not_found(scene: Scene) -> None:
    for import_id in (1, 2**63 - 1):
        with pytest.raises(NotFound):
            scene.imports.get(import_id)
    scene.imports.run(1)
