"""Notes over HTTP, on real stores."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from service.bootstrap import Container
from service.domain.errors import NotFound
from service.domain.model import Principal, Role
from service.store import moves
from service.store.ticket_history import PostgresHistory
from tests.integration.working_day import violated

WAITING = text(
    "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database())"
)


@pytest.fixture
def ticket(admin: FlaskClient) -> int:
    return int(admin.post("/api/tickets", json={"subject": "Printer on fire"}).json["id"])


@pytest.fixture
def waiting(engine: Engine) -> Callable[[], bool]:
    """Say whether somebody waits for a lock."""

    def found() -> bool:
        with engine.connect() as connection:
            return bool(connection.execute(WAITING).scalar_one())

    return found


def noted(client: FlaskClient, ticket: int) -> list[str]:
    return [event["note"] for event in client.get(f"/api/tickets/{ticket}/notes").json["items"]]


def test_notes_stand_in_the_history_and_in_a_list_of_their_own(
    admin: FlaskClient, ann: FlaskClient, operator: FlaskClient, ticket: int
) -> None:
    assert admin.post(f"/api/tickets/{ticket}/notes", json={"note": " before\nanybody "}).status_code == 201
    ann.post("/api/tickets/fetch")
    said = ann.post(f"/api/tickets/{ticket}/notes", json={"note": "called back"}).json
    assert (said["cause"], said["actor_id"], said["agent_id"]) == ("note", ann.user_id, ann.user_id)
    assert (said["from_status"], said["to_status"], said["epoch"]) == ("assigned", "assigned", 1)
    for reader in (admin, ann, operator):
        assert noted(reader, ticket) == ["before\nanybody", "called back"]
    history = admin.get(f"/api/tickets/{ticket}/history").json["items"]
    assert [event["cause"] for event in history] == ["create", "note", "fetch", "note"]


def test_a_note_changes_nothing_about_the_ticket(admin: FlaskClient, ticket: int) -> None:
    before = admin.get(f"/api/tickets/{ticket}").json
    admin.post(f"/api/tickets/{ticket}/notes", json={"note": "x"})
    assert admin.get(f"/api/tickets/{ticket}").json == before


def test_agents_note_on_what_they_hold_or_held_and_on_nothing_else(
    admin: FlaskClient, ann: FlaskClient, bob: FlaskClient, ticket: int
) -> None:
    path = f"/api/tickets/{ticket}/notes"
    for client in (ann, bob):
        assert (client.post(path, json={"note": "x"}).status_code, client.get(path).status_code) == (404, 404)
    ann.post("/api/tickets/fetch")
    admin.post(f"/api/tickets/{ticket}/assign", json={"agent_id": bob.user_id})
    assert ann.post(path, json={"note": "from ann, who held it"}).status_code == 201
    assert bob.post(path, json={"note": "from bob"}).status_code == 201
    assert noted(ann, ticket) == ["from ann, who held it", "from bob"]
    assert ann.get(f"/api/tickets/{ticket}").status_code == 404


@pytest.mark.parametrize("note", ["", " \n ", "\u200b", "n" * 1_001, "a\0b"])
def test_a_note_that_says_nothing_or_cannot_be_kept_is_refused(admin: FlaskClient, ticket: int, note: str) -> None:
    answer = admin.post(f"/api/tickets/{ticket}/notes", json={"note": note})
    assert (answer.status_code, answer.json["errors"][0]["field"]) == (400, "note")
    assert noted(admin, ticket) == []


def test_a_deleted_ticket_takes_no_notes(admin: FlaskClient, ticket: int, engine: Engine) -> None:
    admin.delete(f"/api/tickets/{ticket}")
    path = f"/api/tickets/{ticket}/notes"
    assert (admin.post(path, json={"note": "x"}).status_code, admin.get(path).status_code) == (404, 404)
    with pytest.raises(NotFound):  # as when it is deleted between the look and the note
        PostgresHistory(engine).add_note(ticket, "late", actor_id=admin.user_id, operation_id=None)


def test_notes_are_paged(admin: FlaskClient, ticket: int) -> None:
    for n in range(5):
        admin.post(f"/api/tickets/{ticket}/notes", json={"note": f"note {n}"})
    first = admin.get(f"/api/tickets/{ticket}/notes?limit=3")
    rest = admin.get(first.headers["Link"].partition(">")[0].removeprefix("<"))
    assert [event["note"] for event in (*first.json["items"], *rest.json["items"])] == [f"note {n}" for n in range(5)]
    assert (first.json["total"], rest.json["next"]) == (5, None)


def test_a_note_tried_again_is_added_once_and_verify_knows_it(
    container: Container, admin: FlaskClient, ticket: int, engine: Engine
) -> None:
    root = Principal(user_id=admin.user_id, username="root", role=Role.ADMIN, session_id=uuid4())
    for _ in range(2):
        sent = {"json": {"note": "once"}, "headers": {"Idempotency-Key": "note 1"}}
        assert admin.post(f"/api/tickets/{ticket}/notes", **sent).status_code == 201
    with engine.connect() as connection:
        operation = connection.execute(text("SELECT operation_id FROM idempotency_keys")).scalar_one()
    after_a_crash = container.history.note(ticket, "once", author=root, operation_id=operation)
    assert after_a_crash.note == "once"
    assert noted(admin, ticket) == ["once"]
    assert violated(container.invariants.check(at_rest=True)) == set()


def test_a_note_waits_for_a_change_under_way_and_stands_behind_it(
    engine: Engine, ann: FlaskClient, ticket: int, admin: FlaskClient, waiting: Callable[[], bool]
) -> None:
    ann.post("/api/tickets/fetch")
    said: list[Any] = []

    def write() -> None:
        said.append(PostgresHistory(engine).add_note(ticket, "late", actor_id=ann.user_id, operation_id=None))

    writer = Thread(target=write)
    with engine.begin() as connection:
        moves.lock_ticket(connection, ticket)
        writer.start()
        while not waiting():
            assert writer.is_alive(), "it did not wait"
        connection.execute(text("UPDATE tickets SET status = 'in_progress' WHERE id = :id"), {"id": ticket})
    writer.join()
    assert (said[0].from_status, said[0].to_status) == ("in_progress", "in_progress")
