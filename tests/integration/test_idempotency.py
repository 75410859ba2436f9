"""Repeated requests over HTTP on real PostgreSQL and a real queue: the same key, the same reply, done once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import NullPool

from service.api.app import create_app
from service.bootstrap import Container
from service.domain.errors import KeyInFlight, StoreUnavailable
from service.domain.model import Role
from service.store.idempotency import PostgresIdempotency
from service.store.reconciliations import PostgresReconciliations
from service.usecases.idempotency import Idempotency
from service.usecases.ports.idempotency import Reply
from service.usecases.ports.people import AgentDraft, UserDraft
from service.usecases.ports.tickets import TicketDraft

PASSWORD = "Correct-horse-7"
OK = Reply(status=200, headers={}, body=b"{}")


class Caller:
    """A signed-in client that names its requests."""

    def __init__(self, client: FlaskClient, username: str) -> None:
        self._client = client
        answer = client.post("/api/token", json={"username": username, "password": PASSWORD})
        self._headers = {"Authorization": f"Bearer {answer.json['access']}"}

    def post(self, path: str, body: Any = None, *, key: str | None = None) -> Any:
        headers = {**self._headers, **({"Idempotency-Key": key} if key is not None else {})}
        return self._client.post(path, json=body if body is not None else {}, headers=headers)


@pytest.fixture
def client(container: Container) -> FlaskClient:
    return create_app(container).test_client()


@pytest.fixture
def admin(container: Container, client: FlaskClient) -> Caller:
    container.users.create(UserDraft(username="root", password=PASSWORD, role=Role.ADMIN))
    return Caller(client, "root")


@pytest.fixture
def agent(container: Container, client: FlaskClient) -> Caller:
    container.agents.create(AgentDraft(username="ann", password=PASSWORD))
    return Caller(client, "ann")


def count(engine: Engine, what: str) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {what}")).scalar_one())


def test_a_repeated_creation_creates_one_ticket_and_answers_alike(admin: Caller, engine: Engine) -> None:
    first = admin.post("/api/tickets", {"subject": "Fire"}, key="k1")
    again = admin.post("/api/tickets", {"subject": "Fire"}, key="k1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.data == first.data
    for header in ("Location", "ETag", "Content-Type"):
        assert again.headers[header] == first.headers[header]
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert count(engine, "tickets") == 1


def test_another_key_is_another_request(admin: Caller, engine: Engine) -> None:
    for key in ("k1", "k2", None, None):
        assert admin.post("/api/tickets", {"subject": "Fire"}, key=key).status_code == 201
    assert count(engine, "tickets") == 4


def test_a_key_is_good_for_one_request_only(admin: Caller, engine: Engine) -> None:
    admin.post("/api/tickets", {"subject": "Fire"}, key="k1")
    other = admin.post("/api/tickets", {"subject": "Water"}, key="k1")
    assert (other.status_code, other.json["code"]) == (422, "idempotency_key_reused")
    assert count(engine, "tickets") == 1


def test_keys_of_two_callers_are_apart(
    container: Container, client: FlaskClient, admin: Caller, engine: Engine
) -> None:
    container.users.create(UserDraft(username="eve", password=PASSWORD, role=Role.ADMIN))
    for caller in (admin, Caller(client, "eve")):
        assert caller.post("/api/tickets", {"subject": "Fire"}, key="k1").status_code == 201
    assert count(engine, "tickets") == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "käse"])
def test_a_key_that_is_none_is_refused(admin: Caller, engine: Engine, key: str) -> None:
    refused = admin.post("/api/tickets", {"subject": "Fire"}, key=key)
    assert (refused.status_code, refused.json["code"]) == (400, "invalid_input")
    assert count(engine, "tickets") == 0


def test_what_is_refused_for_its_form_uses_up_no_key(admin: Caller) -> None:
    assert admin.post("/api/tickets", {"subject": ""}, key="k1").status_code == 400
    assert admin.post("/api/tickets", {"subject": "Fire"}, key="k1").status_code == 201


def test_a_repeated_fetch_assigns_once(container: Container, agent: Caller, make_tickets: Callable[..., Any]) -> None:
    make_tickets(40)
    first = agent.post("/api/tickets/fetch", {"limit": 3}, key="f1")
    again = agent.post("/api/tickets/fetch", {"limit": 3}, key="f1")
    assert again.data == first.data
    assert first.json["assigned_now"] == 3
    assert again.headers["X-Fairdeal-Served-By"] == "queue"
    assert agent.post("/api/tickets/fetch", {"limit": 3}, key="f2").json["held"] == 6


def test_a_repeated_sale_answers_alike(agent: Caller, engine: Engine, make_tickets: Callable[..., Any]) -> None:
    make_tickets(2)
    agent.post("/api/tickets/fetch")
    customer = {"customer": {"name": "Kim", "email": "kim@example.com"}}
    first = agent.post("/api/tickets/1/sell", customer, key="s1")
    assert agent.post("/api/tickets/1/sell", customer, key="s1").data == first.data
    many = {"sales": [{"ticket_id": 2, **customer}, {"ticket_id": 99, **customer}]}
    assert agent.post("/api/tickets/sell", many, key="s2").data == agent.post("/api/tickets/sell", many, key="s2").data
    assert count(engine, "ticket_events WHERE cause = 'sell'") == 2


def test_a_refusal_is_kept_too(agent: Caller, make_tickets: Callable[..., Any]) -> None:
    customer = {"customer": {"name": "Kim", "email": "kim@example.com"}}
    refused = agent.post("/api/tickets/1/sell", customer, key="s1")
    assert refused.status_code == 404
    make_tickets(1)
    agent.post("/api/tickets/fetch")
    again = agent.post("/api/tickets/1/sell", customer, key="s1")
    assert (again.status_code, again.data) == (404, refused.data)


def test_many_at_once_create_one_ticket(container: Container, admin: Caller, engine: Engine) -> None:
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: admin.post("/api/tickets", {"subject": "Fire"}, key="k1"), range(24)))
    created = {answer.data for answer in answers if answer.status_code == 201}
    others = {answer.json["code"] for answer in answers if answer.status_code != 201}
    assert len(created) == 1
    assert others <= {"idempotency_key_in_flight"}
    assert count(engine, "tickets") == 1


@pytest.fixture
def idempotency(engine: Engine) -> Idempotency:
    return Idempotency(store=PostgresIdempotency(engine))


def test_a_request_in_flight_keeps_the_next_one_waiting(idempotency: Idempotency, make_user: Any) -> None:
    user, entered, leave = make_user(), Event(), Event()

    def slow(_operation_id: UUID) -> Reply:
        entered.set()
        assert leave.wait(30)
        return OK

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(idempotency.once, user, "k", fingerprint="f", operation=slow)
        assert entered.wait(30)
        with pytest.raises(KeyInFlight):
            idempotency.once(user, "k", fingerprint="f", operation=lambda _: OK)
        leave.set()
        assert first.result() == (OK, False)
    assert idempotency.once(user, "k", fingerprint="f", operation=lambda _: OK) == (OK, True)


@pytest.mark.parametrize(
    "outcome", [Reply(status=503, headers={}, body=b""), StoreUnavailable("gone"), OSError("died")]
)
def test_a_try_that_failed_is_taken_up_again_as_the_same_operation(
    idempotency: Idempotency, make_user: Any, outcome: Reply | Exception
) -> None:
    user, seen = make_user(), []

    def fails(operation_id: UUID) -> Reply:
        seen.append(operation_id)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def works(operation_id: UUID) -> Reply:
        seen.append(operation_id)
        return OK

    if isinstance(outcome, Exception):
        with pytest.raises(type(outcome)):
            idempotency.once(user, "k", fingerprint="f", operation=fails)
    else:
        idempotency.once(user, "k", fingerprint="f", operation=fails)
    assert idempotency.once(user, "k", fingerprint="f", operation=works) == (OK, False)
    assert seen[0] == seen[1]


def test_a_try_whose_process_died_is_taken_up_after_its_lock(
    idempotency: Idempotency, engine: Engine, make_user: Any
) -> None:
    user = make_user()
    store = PostgresIdempotency(engine)
    first = store.begin(user, "k", fingerprint="f", lock_s=60)
    assert store.begin(user, "k", fingerprint="f", lock_s=60) is None
    with engine.begin() as connection:
        connection.execute(text("UPDATE idempotency_keys SET locked_until = now()"))
    assert store.begin(user, "k", fingerprint="other", lock_s=60) is None
    assert store.begin(user, "k", fingerprint="f", lock_s=60) == first


def test_a_creation_that_committed_before_its_process_died_is_not_done_again(
    container: Container, engine: Engine, make_user: Any
) -> None:
    user, operation_id = make_user(), UUID(int=5)
    first = container.tickets.create(TicketDraft(subject="Fire"), actor_id=user, operation_id=operation_id)
    assert container.tickets.create(TicketDraft(subject="Fire"), actor_id=user, operation_id=operation_id) == first
    assert count(engine, "tickets") == 1
    assert count(engine, "ticket_events") == 1


def test_a_fetch_that_committed_before_its_process_died_is_not_done_again(
    container: Container, make_agent: Any, make_tickets: Any
) -> None:
    agent, operation_id = make_agent(), UUID(int=5)
    make_tickets(40)
    assert container.assignments.fetch(agent, limit=2, operation_id=operation_id).assigned_now == 2
    again = container.assignments.fetch(agent, limit=2, operation_id=operation_id)
    assert (again.held, again.assigned_now) == (2, 2)


def test_two_processes_at_the_same_fetch_assign_once(container: Container, make_agent: Any, make_tickets: Any) -> None:
    agent, operation_id = make_agent(), UUID(int=5)
    make_tickets(200)

    def fetch(_: int) -> int:
        try:
            return container.assignments.fetch(agent, limit=2, operation_id=operation_id).assigned_now
        except StoreUnavailable:
            return 0

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(fetch, range(8)))
    assert container.assignments.held(agent).held == 2


NESTED = (
    "-c enable_hashjoin=off -c enable_mergejoin=off -c enable_hashagg=off -c enable_sort=off -c enable_material=off"
)


@pytest.mark.parametrize("planned", ["", NESTED], ids=["as it comes", "as a nested loop"])
def test_old_keys_are_removed(idempotency: Idempotency, engine: Engine, make_user: Any, planned: str) -> None:
    """So many at a time, and no more, whatever the statistics have the planner do."""
    user = make_user()
    planning = create_engine(engine.url, connect_args={"options": planned}, poolclass=NullPool)
    runs = PostgresReconciliations(planning)
    for number in range(5):
        idempotency.once(user, f"k{number}", fingerprint="f", operation=lambda _: OK)
    with engine.begin() as connection:
        connection.execute(text("UPDATE idempotency_keys SET created_at = now() - interval '2 days' WHERE key < 'k3'"))
    removed = [runs.prune(runs_older_than_s=86_400, claims_older_than_s=86_400, limit=2) for _ in range(3)]
    assert removed == [2, 1, 0]
    assert count(engine, "idempotency_keys") == 2
