"""Names of archived tickets stay taken; whoever comes while one is being archived finds it in one place."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from flask.testing import FlaskClient
from psycopg2.errors import UniqueViolation
from sqlalchemy import Connection, Engine, text

from scripts.waiting import wait_until
from service.bootstrap import Container
from service.domain.errors import AlreadyExists, TicketArchived
from service.domain.model import Role, TicketStatus
from service.store import archive as archive_store
from service.usecases.ports.people import UserDraft
from service.usecases.ports.tickets import TicketDraft
from service.usecases.ticket_files import FileFormat
from tests.integration.archiving import OLD_S, PASSWORD, archive, where

BLOCKED = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


def test_the_external_id_of_an_archived_ticket_is_taken(
    container: Container, root: FlaskClient, pair: tuple[int, int]
) -> None:
    def create() -> Any:
        answer = root.post("/api/tickets", json={"subject": "Again", "external_id": "A-1"})
        found = answer.get_json()
        found.pop("request_id")
        return answer.status_code, found

    before = create()
    archive(container)
    assert create() == before
    assert before[0] == 409
    assert before[1]["ticket_id"] == pair[0]


@pytest.mark.parametrize("content", [b"subject,external_id\nAgain,A-1\nNew,B-2\n"])
def test_an_import_passes_over_what_is_archived(
    container: Container, engine: Engine, pair: tuple[int, int], content: bytes
) -> None:
    archive(container)
    [batch] = container.ticket_import.batches(io.BytesIO(content), format=FileFormat.CSV, actor_id=None)
    assert [(row.ticket_id == pair[0], row.is_new) for row in batch.rows] == [(True, False), (False, True)]


@contextmanager
def being_archived(container: Container, engine: Engine) -> Iterator[None]:
    """Hold an archiver just before it commits, having moved the tickets."""
    moving: list[Connection] = []
    with engine.connect() as connection, connection.begin():
        found = connection.execute(
            archive_store.CANDIDATES, {"older_than_s": OLD_S, "after_at": "-infinity", "after_id": 0, "limit": 10}
        ).all()
        ids = archive_store._settled(connection, found, OLD_S)
        assert archive_store._move(connection, ids) > 0
        moving.append(connection)
        yield
        assert wait_until(lambda: _somebody_waits(engine), 30)


def _somebody_waits(engine: Engine) -> bool:
    with engine.connect() as connection:
        return bool(connection.execute(BLOCKED).scalar_one())


def test_creating_what_is_just_being_archived_is_refused(
    container: Container, engine: Engine, pair: tuple[int, int]
) -> None:
    """The unique index lets the row in once the archiver has committed; the guard behind it does not."""

    def create() -> None:
        container.tickets.create(TicketDraft(subject="Again", external_id="A-1"), actor_id=None)

    with ThreadPoolExecutor(1) as pool:
        with being_archived(container, engine):
            creating: Future[None] = pool.submit(create)
        with pytest.raises(AlreadyExists) as raised:
            creating.result(30)
    assert raised.value.facts["ticket_id"] == pair[0]
    assert container.tickets._store.named(["A-1"]) == {"A-1": pair[0]}


def check_import_passes_over(archived: int, container: Container, engine: Engine) -> None:
    """Import A-1, which is being archived as this ticket meanwhile, and another one."""
    content = io.BytesIO(b"subject,external_id\nAgain,A-1\nNew,B-2\n")

    def load() -> list[Any]:
        return list(container.ticket_import.batches(content, format=FileFormat.CSV, actor_id=None))

    with ThreadPoolExecutor(1) as pool:
        with being_archived(container, engine):
            loading = pool.submit(load)
        [batch] = loading.result(30)
    assert [(row.ticket_id == archived, row.is_new) for row in batch.rows] == [(True, False), (False, True)]


def test_importing_what_is_just_being_archived_finds_it_there(
    container: Container, engine: Engine, pair: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch did not see it when it looked, and is refused when it writes: it looks again."""
    from service.store import imports

    named, looks = imports.named, []

    def blind_at_first(connection: Connection, external_ids: Any) -> dict[str, int]:
        looks.append(external_ids)
        return {} if len(looks) == 1 else named(connection, external_ids)

    monkeypatch.setattr(imports, "named", blind_at_first)
    check_import_passes_over(pair[0], container, engine)


def test_an_import_that_waited_for_the_archiver_looks_once_more(
    container: Container, engine: Engine, pair: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The statement for such moments takes the ticket for free, too, when the archiver commits under its eyes."""
    from service.store import imports

    def lost_a_race(*_: object, **__: object) -> None:
        raise UniqueViolation

    monkeypatch.setattr(imports, "_copy_new", lost_a_race)
    check_import_passes_over(pair[0], container, engine)


def test_a_change_that_waited_for_the_archiver_is_told_where_the_ticket_is(
    container: Container, engine: Engine, pair: tuple[int, int]
) -> None:
    admin = container.users.create(UserDraft(username="kit", password=PASSWORD, role=Role.ADMIN)).id

    def note() -> None:
        container.history._store.add_note(pair[0], "They called", actor_id=admin, operation_id=None)

    with ThreadPoolExecutor(1) as pool:
        with being_archived(container, engine):
            noting = pool.submit(note)
        with pytest.raises(TicketArchived):
            noting.result(30)


def test_a_reopening_that_waited_for_the_archiver_brings_the_ticket_back(
    container: Container, engine: Engine, pair: tuple[int, int]
) -> None:
    with ThreadPoolExecutor(1) as pool:
        with being_archived(container, engine):
            reopening = pool.submit(container.lifecycle.reopen, pair[0], actor_id=None)
        assert reopening.result(30).status is TicketStatus.OPEN
    assert where(engine, pair[0])[:3:2] == (1, 0)
