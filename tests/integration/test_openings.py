"""Requests that are read together: each begins with what it would have been told alone, and with nothing older."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from threading import Event
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from service.domain.model import HandSeen, Level, Principal, Priority, QueuedTicket
from service.store import openings
from service.store.assignments import PostgresAssignments
from service.store.engine import PREPARES, make_engine, statement
from service.store.gathering import Gathering
from service.store.openings import OPENINGS, Openings
from service.store.sessions import PostgresSessions
from service.tracing import TRACER
from tests.fakes.line import LIMIT_S, Line

Make = Callable[..., int]
MakeMany = Callable[..., list[int]]
Seen = tuple[Principal, HandSeen | None] | None

SESSION = "INSERT INTO sessions (id, user_id, refresh_jti, expires_at) VALUES (:id, :user, :id, 'infinity')"


def run(engine: Engine, sql: str, **values: object) -> None:
    with engine.begin() as connection:
        connection.execute(text(sql), values)


def signed_in(engine: Engine, user_id: int) -> UUID:
    session_id = uuid4()
    run(engine, SESSION, id=session_id, user=user_id)
    return session_id


def give(engine: Engine, agent_id: int, ids: list[int]) -> None:
    popped = [QueuedTicket(ticket_id, Priority.MEDIUM) for ticket_id in ids]
    PostgresAssignments(engine).claim(claim_id=uuid4(), agent_id=agent_id, popped=popped, limit=15)


class HeldUp:
    """The statements of openings, numbered; one that is held has read, and its answer comes when it may go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[int] = []
        self._held: dict[int, Event] = {}
        self._has_read: dict[int, Event] = {}
        for name in ("OPENING", "OPENINGS"):
            monkeypatch.setattr(openings, name, SimpleNamespace(rows=partial(self._rows, getattr(openings, name).rows)))

    def hold(self, *numbers: int) -> None:
        for number in numbers:
            self._held[number], self._has_read[number] = Event(), Event()

    def has_read(self, number: int) -> None:
        assert self._has_read[number].wait(LIMIT_S)

    def go_on(self, *numbers: int) -> None:
        for number in numbers or tuple(self._held):
            self._held[number].set()

    def _rows(self, read: Callable[..., Any], engine: Engine, values: Mapping[str, str]) -> Any:
        number = len(self.asked)
        self.asked.append(len(str(next(iter(values.values()))).split(",")))
        found = read(engine, values)
        if number in self._held:
            self._has_read[number].set()
            assert self._held[number].wait(LIMIT_S)
        return found


@pytest.fixture
def held_up(monkeypatch: pytest.MonkeyPatch) -> HeldUp:
    return HeldUp(monkeypatch)


@pytest.fixture
def pool(held_up: HeldUp) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(24) as made:
        yield made
        held_up.go_on()


class Requests:
    """Requests of one process: the first statement is under way, and whoever comes later waits in line."""

    def __init__(self, engine: Engine, held_up: HeldUp, pool: ThreadPoolExecutor) -> None:
        self._line = Line(pool)
        self._subject = Openings(engine, gathering=partial(Gathering, new_turn=self._line.new_turn))
        held_up.hold(0)
        self._first = pool.submit(self._subject.principal_and_hand, uuid4())
        held_up.has_read(0)

    def come(self, *session_ids: UUID) -> list[Future[Seen]]:
        asks = [partial(self._subject.principal_and_hand, session_id) for session_id in session_ids]
        return [self._line.join(ask)[0] for ask in asks]


def told(asked: list[Future[Seen]]) -> list[Seen]:
    return [each.result(LIMIT_S) for each in asked]


def timeless(seen: Seen) -> Seen:
    """Leave out the moment of asking, which is each request's own."""
    if seen is None or seen[1] is None:
        return seen
    return seen[0], replace(seen[1], asked_at=0.0)


@pytest.fixture
def everybody(engine: Engine, make_agent: Make, make_user: Make, make_tickets: MakeMany) -> dict[str, UUID]:
    """All kinds of sessions, by what is particular about each."""
    full, some, ids = (
        make_agent("full"),
        make_agent("some", level="senior", capacity=9),
        make_tickets(22, enqueue=False),
    )
    give(engine, full, [*ids[7:15], *ids[0:7]])
    give(engine, some, [ids[20], ids[16], ids[18], ids[19]])
    run(engine, "UPDATE tickets SET status = 'in_progress' WHERE id = :id", id=ids[20])
    run(engine, "UPDATE tickets SET status = 'resolved', resolved_at = now() WHERE id = :id", id=ids[18])
    run(engine, "UPDATE tickets SET deleted_at = now() WHERE id = :id", id=ids[19])
    kinds = ("empty", "away", "off duty", "revoked", "expired", "deactivated", "deleted", "no agent any more")
    users = {"full": full, "some": some} | {kind: make_agent(kind) for kind in kinds}
    users |= {role: make_user(role, role=role) for role in ("admin", "operator")}
    sessions = {kind: signed_in(engine, user_id) for kind, user_id in users.items()}
    changes = {
        "away": "UPDATE agents SET availability = 'away' WHERE id = :user",
        "off duty": "UPDATE agents SET is_active = false WHERE id = :user",
        "revoked": "UPDATE sessions SET revoked_at = now() WHERE user_id = :user",
        "expired": "UPDATE sessions SET expires_at = now() WHERE user_id = :user",
        "deactivated": "UPDATE users SET is_active = false WHERE id = :user",
        "deleted": "UPDATE users SET deleted_at = now() WHERE id = :user",
        "no agent any more": "UPDATE users SET role = 'admin' WHERE id = :user",
    }
    for kind, change in changes.items():
        run(engine, change, user=users[kind])
    return sessions | {"unknown": uuid4(), "full once more": sessions["full"]}


@pytest.mark.parametrize("prepares", [True, False])
def test_who_is_read_with_others_begins_as_alone(
    engine: Engine, everybody: dict[str, UUID], held_up: HeldUp, pool: ThreadPoolExecutor, prepares: bool
) -> None:
    lending = engine.execution_options(**{PREPARES: prepares})
    requests = Requests(lending, held_up, pool)
    asked = requests.come(*everybody.values())
    held_up.go_on(0)
    together = dict(zip(everybody, map(timeless, told(asked)), strict=True))
    assert held_up.asked == [1, len(everybody)]
    alone = PostgresSessions(engine).principal_and_hand
    assert together == {kind: timeless(alone(session_id)) for kind, session_id in everybody.items()}
    refused = {"revoked", "expired", "deactivated", "deleted", "unknown"}
    assert {kind for kind, seen in together.items() if seen is None} == refused
    hands = {kind: len(seen[1].tickets) for kind, seen in together.items() if seen is not None and seen[1] is not None}
    assert hands == {"full": 15, "some": 2, "empty": 0, "away": 0, "off duty": 0, "full once more": 15}
    some = together["some"]
    assert some is not None
    assert some[1] is not None
    assert [ticket.id for ticket in some[1].tickets] == sorted(ticket.id for ticket in some[1].tickets)
    assert (some[0].session_id, some[1].agent.level) == (everybody["some"], Level.SENIOR)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE sessions SET revoked_at = now() WHERE user_id = :user",
        "UPDATE sessions SET expires_at = now() WHERE user_id = :user",
        "UPDATE users SET is_active = false WHERE id = :user",
        "UPDATE users SET deleted_at = now() WHERE id = :user",
    ],
)
def test_a_session_that_is_over_is_over_at_once_though_it_is_just_being_read(
    engine: Engine, make_agent: Make, held_up: HeldUp, pool: ThreadPoolExecutor, change: str
) -> None:
    ann, bob = make_agent("ann"), make_agent("bob")
    session_id, other = signed_in(engine, ann), signed_in(engine, bob)
    requests = Requests(engine, held_up, pool)
    held_up.hold(1)
    before = requests.come(other, session_id)
    held_up.go_on(0)
    held_up.has_read(1)
    run(engine, change, user=ann)
    after = requests.come(other, session_id)
    held_up.go_on(1)
    assert [seen is None for seen in told(before)] == [False, False], "these had asked before"
    assert [seen is None for seen in told(after)] == [False, True]


def test_what_has_changed_in_an_agent_or_a_hand_is_seen_though_it_is_just_being_read(
    engine: Engine, make_agent: Make, make_tickets: MakeMany, held_up: HeldUp, pool: ThreadPoolExecutor
) -> None:
    ann, ids = make_agent("ann"), make_tickets(3, enqueue=False)
    give(engine, ann, ids)
    session_id = signed_in(engine, ann)
    requests = Requests(engine, held_up, pool)
    held_up.hold(1)
    before = requests.come(session_id, session_id)
    held_up.go_on(0)
    held_up.has_read(1)
    run(engine, "UPDATE tickets SET status = 'open', agent_id = NULL, epoch = epoch + 1 WHERE id = :id", id=ids[1])
    run(engine, "UPDATE agents SET is_active = false WHERE id = :id", id=ann)
    after = requests.come(session_id, session_id)
    held_up.go_on(1)
    assert [_hand_of(seen) for seen in told(before)] == [(ids, True)] * 2
    assert [_hand_of(seen) for seen in told(after)] == [([ids[0], ids[2]], False)] * 2


def _hand_of(seen: Seen) -> tuple[list[int], bool]:
    assert seen is not None
    assert seen[1] is not None
    return [ticket.id for ticket in seen[1].tickets], seen[1].agent.is_active


def test_the_moment_of_asking_is_before_the_wait(
    engine: Engine, make_agent: Make, held_up: HeldUp, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look that found nothing while a request waited was sent while it was under way (docs/adr/0046)."""
    session_id, now = signed_in(engine, make_agent("ann")), [1.0]
    requests = Requests(engine, held_up, pool)
    monkeypatch.setattr(openings, "time", SimpleNamespace(monotonic=lambda: now[0]))
    asked = requests.come(session_id, session_id)
    now[0] = 2.0
    held_up.go_on(0)
    hands = [seen[1] for seen in told(asked) if seen is not None]
    assert [hand.asked_at for hand in hands if hand is not None] == [1.0, 1.0]


def test_where_traces_are_told_each_request_has_its_own_statement(
    engine: Engine, make_agent: Make, held_up: HeldUp, pool: ThreadPoolExecutor
) -> None:
    traced = engine.execution_options(**{TRACER: SimpleNamespace(child=lambda *_: None)})
    subject = Openings(traced, gathering=partial(Gathering, new_turn=Line(pool).new_turn))
    session_id = signed_in(engine, make_agent("ann"))
    held_up.hold(0)
    first = pool.submit(subject.principal_and_hand, session_id)
    held_up.has_read(0)
    assert subject.principal_and_hand(session_id) is not None
    assert not first.done()
    held_up.go_on()
    assert first.result(LIMIT_S) is not None
    assert held_up.asked == [1, 1]


def test_plans_are_made_once_however_many_are_read_together(
    engine: Engine, database_url: str, make_agent: Make
) -> None:
    """PostgreSQL plans five times to see what that costs, and keeps to one plan for all unless others are cheaper."""
    session_ids = [str(signed_in(engine, make_agent(f"agent{n}"))) for n in range(12)]
    one = make_engine(database_url, statement_timeout_ms=20_000, pool_size=1, application_name="fairdeal-openings")
    plans = text("SELECT custom_plans, generic_plans FROM pg_prepared_statements WHERE name = :name")
    try:
        for number in range(1, 13):
            assert len(OPENINGS.rows(one, {"session_ids": f"{{{','.join(session_ids[:number])}}}"})) == number
        with statement(one) as connection:
            made = connection.execute(plans, {"name": OPENINGS.name}).one()
    finally:
        one.dispose()
    assert tuple(made) == (5, 7)
