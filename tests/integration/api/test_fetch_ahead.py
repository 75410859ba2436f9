"""Who was dealt something by their last fetch asks the queue first, and nobody can tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import Engine, text
from werkzeug.test import TestResponse

from scripts.waiting import wait_until
from service.api import fast_path
from service.api.schemas.moves import SERVED_BY_HEADER
from service.domain.errors import QueueUnavailable, StoreUnavailable
from service.domain.model import Priority
from service.store import arbiter
from service.ticket_queue.keys import Keys
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.dealing import RESUME_AFTER_S
from service.usecases.lifecycle import Sale
from service.usecases.ports.tickets import Buyer
from tests.integration.desk import as_decided, as_hinted

FETCH = "/api/tickets/fetch"
KIM = Buyer(name="Kim", email="kim@example.com")

MakeMany = Callable[..., list[int]]


class Agent:
    """An agent whose last fetch was dealt fifteen tickets, all sold since; `looks` counts what was read first."""

    def __init__(self, client: Any, container: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.client, self.container, self.looks = client, container, 0
        look = container.sessions.principal_and_hand

        def counted(session_id: Any) -> Any:
            self.looks, self.session_id = self.looks + 1, session_id
            return look(session_id)

        monkeypatch.setattr(container.sessions, "principal_and_hand", counted)

    def fetch(self) -> TestResponse:
        self.looks = 0
        answer: TestResponse = self.client.post(FETCH)
        return answer

    def dealt(self) -> dict[str, Any]:
        answer = self.fetch()
        assert answer.status_code == 200, answer.get_json()
        return dict(answer.get_json())

    def held(self) -> dict[str, Any]:
        return dict(self.client.get("/api/tickets/held").get_json())

    def sell(self, *, kept: int = 0) -> None:
        ids = [ticket["id"] for ticket in self.held()["tickets"]][kept:]
        self.container.lifecycle.sell_many(self.client.user_id, [Sale(ticket_id, KIM) for ticket_id in ids])


@pytest.fixture
def agent(ann: Any, container: Any, make_tickets: MakeMany, monkeypatch: pytest.MonkeyPatch) -> Agent:
    made = Agent(ann, container, monkeypatch)
    ann.get("/api/me")
    make_tickets(15)
    assert (made.dealt()["assigned_now"], made.looks) == (15, 1)
    made.sell()
    return made


@pytest.fixture
def in_line(engine: Engine, redis_client: Redis, keys: Keys) -> Callable[[], None]:
    """See, once all claims are settled, that the queue says what PostgreSQL says."""

    def check() -> None:
        assert wait_until(lambda: redis_client.zcard(keys.claims) == 0, 30)
        assert as_hinted(redis_client, keys) == as_decided(engine)

    return check


def run(engine: Engine, sql: str, **values: object) -> None:
    with engine.begin() as connection:
        connection.execute(text(sql), values)


def by_flask(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> TestResponse:
    with monkeypatch.context() as patched:
        patched.setattr(fast_path, "_is_plain", lambda _environ: False)
        return agent.fetch()


def ids_of(answer: dict[str, Any]) -> list[int]:
    return [ticket["id"] for ticket in answer["tickets"]]


@pytest.mark.parametrize("kept", [0, 5, 14])
def test_a_hand_is_filled_without_a_look(
    agent: Agent, make_tickets: MakeMany, in_line: Callable[[], None], monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    first = make_tickets(20)
    agent.dealt()
    agent.sell(kept=kept)
    second = make_tickets(20)
    filled = agent.dealt()
    assert agent.looks == 0
    assert filled["assigned_now"] == 15 - kept
    assert ids_of(filled) == [*first[:15][:kept], *first[15:], *second][:15]
    told = by_flask(agent, monkeypatch).get_json()
    assert filled == {**told, "assigned_now": 15 - kept}
    in_line()


def test_a_full_hand_is_looked_at_and_not_counted_on_again(agent: Agent, make_tickets: MakeMany) -> None:
    make_tickets(40)
    agent.dealt()
    for _ in range(2):
        assert (agent.dealt()["assigned_now"], agent.looks) == (0, 1)
    agent.sell()
    assert (agent.dealt()["assigned_now"], agent.looks) == (15, 1)


def test_where_fewer_wait_than_fit_the_hand_is_looked_at(
    agent: Agent, make_tickets: MakeMany, in_line: Callable[[], None]
) -> None:
    waiting = make_tickets(6)
    dealt = agent.dealt()
    assert (dealt["assigned_now"], ids_of(dealt), dealt["held"], agent.looks) == (6, waiting, 6, 1)
    dealt = agent.dealt()
    assert (dealt["assigned_now"], ids_of(dealt)) == (0, waiting)
    in_line()


@pytest.mark.parametrize(
    ("sql", "status"),
    [
        ("UPDATE sessions SET revoked_at = now()", 401),
        ("UPDATE sessions SET expires_at = now()", 401),
        ("DELETE FROM sessions", 401),
        ("UPDATE users SET is_active = false", 401),
        ("UPDATE users SET deleted_at = now()", 401),
        ("UPDATE users SET role = 'admin'", 403),
        ("UPDATE agents SET is_active = false", 403),
        ("UPDATE agents SET availability = 'away'", 409),
    ],
)
def test_whoever_may_not_fetch_is_dealt_nothing_and_nothing_is_lost(
    engine: Engine, agent: Agent, make_tickets: MakeMany, in_line: Callable[[], None], sql: str, status: int
) -> None:
    waiting = make_tickets(20)
    run(engine, sql)
    assert agent.fetch().status_code == status
    queues, hands = as_decided(engine)
    assert (queues["medium"], hands) == (waiting, {})
    in_line()


def test_a_session_that_is_somebody_elses_by_now_fetches_for_them(
    engine: Engine, agent: Agent, bob: Any, make_tickets: MakeMany, in_line: Callable[[], None]
) -> None:
    waiting = make_tickets(20)
    run(engine, "UPDATE sessions SET user_id = :bob WHERE user_id = :ann", bob=bob.user_id, ann=agent.client.user_id)
    assert ids_of(agent.dealt()) == waiting[:15]
    assert as_decided(engine)[1] == {bob.user_id: waiting[:15]}
    in_line()


def test_a_change_of_level_is_effective_at_once(
    engine: Engine, agent: Agent, make_tickets: MakeMany, in_line: Callable[[], None]
) -> None:
    make_tickets(20)
    urgent = make_tickets(4, "high")
    run(engine, "UPDATE agents SET level = 'senior'")
    assert set(ids_of(agent.dealt())) > set(urgent)
    in_line()


@pytest.mark.parametrize(("before", "after"), [(15, 4), (5, 9), (9, 1)])
def test_a_change_of_capacity_is_effective_at_once(
    engine: Engine,
    container: Any,
    agent: Agent,
    make_tickets: MakeMany,
    in_line: Callable[[], None],
    before: int,
    after: int,
) -> None:
    run(engine, "UPDATE agents SET capacity = :before", before=before)
    waiting = make_tickets(60)
    agent.dealt()
    agent.sell()
    run(engine, "UPDATE agents SET capacity = :after", after=after)
    for first in (before, before + after):
        dealt, supposed = agent.dealt(), container.assignments._foresight.of(agent.session_id)
        assert supposed is None or supposed.agent.capacity == after
        assert ids_of(dealt) == waiting[first : first + after]
        assert (dealt["assigned_now"], dealt["held"], dealt["capacity"]) == (after, after, after)
        in_line()
        agent.sell()


def test_what_the_queue_says_wrongly_is_made_good(
    engine: Engine, agent: Agent, make_tickets: MakeMany, in_line: Callable[[], None]
) -> None:
    phantoms, waiting = make_tickets(3), make_tickets(20)
    run(engine, "UPDATE tickets SET deleted_at = now() WHERE id = ANY (:ids)", ids=phantoms)
    dealt = agent.dealt()
    assert (ids_of(dealt), dealt["assigned_now"], dealt["held"]) == (waiting[:15], 15, 15)
    in_line()


def test_a_hand_that_the_queue_thinks_empty_is_not_overfilled(
    agent: Agent, redis_client: Redis, keys: Keys, make_tickets: MakeMany
) -> None:
    waiting = make_tickets(40)
    agent.dealt()
    redis_client.delete(keys.held(agent.client.user_id))
    dealt = agent.dealt()
    assert (ids_of(dealt), dealt["assigned_now"], dealt["held"]) == (waiting[:15], 0, 15)
    assert wait_until(lambda: redis_client.zcard(keys.claims) == 0, 30)
    assert [int(entry) for entry in redis_client.lrange(keys.queue(Priority.MEDIUM), 0, -1)] == waiting[15:]


@pytest.mark.parametrize("trouble", ["away", "reply lost", "not trusted"])
def test_without_the_queue_postgresql_serves_and_the_queue_is_asked_once(
    agent: Agent,
    redis_client: Redis,
    keys: Keys,
    make_tickets: MakeMany,
    monkeypatch: pytest.MonkeyPatch,
    trouble: str,
) -> None:
    waiting = make_tickets(20)
    claim, asked = RedisTicketQueue.claim, []

    def fail(*args: Any, **options: Any) -> Any:
        asked.append(options)
        found = None if trouble == "away" else claim(*args, **options)
        if trouble == "away" or (trouble == "reply lost" and len(asked) == 1):
            raise QueueUnavailable("gone")
        return found

    monkeypatch.setattr(RedisTicketQueue, "claim", fail)
    if trouble == "not trusted":
        redis_client.delete(keys.generation)
    answer = agent.fetch()
    assert answer.headers[SERVED_BY_HEADER] == "database"
    assert (ids_of(answer.get_json()), answer.get_json()["assigned_now"]) == (waiting[:15], 15)
    assert len(asked) == 1


class Silent:
    """The arbiter's statement, whose answer is lost after it was carried out, or instead."""

    def __init__(self, *, is_carried_out: bool) -> None:
        self._is_carried_out = is_carried_out

    def rows(self, *asked: Any) -> None:
        if self._is_carried_out:
            CLAIM.rows(*asked)
        raise StoreUnavailable("gone")


CLAIM = arbiter.PREPARED_SUPPOSED_CLAIM


def test_an_answer_that_is_lost_is_looked_up(
    agent: Agent, make_tickets: MakeMany, in_line: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = make_tickets(40)
    monkeypatch.setattr(arbiter, "PREPARED_SUPPOSED_CLAIM", Silent(is_carried_out=True))
    dealt = agent.dealt()
    assert (ids_of(dealt), dealt["assigned_now"], agent.looks) == (waiting[:15], 15, 1)
    in_line()


def test_a_claim_of_which_nothing_is_known_is_taken_up_by_the_next_fetch(
    agent: Agent,
    redis_client: Redis,
    keys: Keys,
    make_tickets: MakeMany,
    in_line: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waiting = make_tickets(40)
    with monkeypatch.context() as patched:
        patched.setattr(arbiter, "PREPARED_SUPPOSED_CLAIM", Silent(is_carried_out=False))
        assert agent.fetch().status_code == 503
    for member, score in redis_client.zrange(keys.claims, 0, -1, withscores=True):
        redis_client.zadd(keys.claims, {member: score - 1_000 * (RESUME_AFTER_S + 1)})
    dealt = agent.dealt()
    assert (ids_of(dealt), dealt["assigned_now"]) == (waiting[:15], 15)
    in_line()


def test_nobody_is_counted_on_where_postgresql_does_not_answer(
    agent: Agent, bob: Any, container: Any, make_tickets: MakeMany, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is popped then can be given to nobody, and lies in flight until somebody takes it up."""
    make_tickets(60)
    bob.get("/api/me")
    other = Agent(bob, container, monkeypatch)
    other.dealt()
    other.sell()
    with monkeypatch.context() as patched:
        patched.setattr(arbiter, "PREPARED_SUPPOSED_CLAIM", Silent(is_carried_out=False))
        assert agent.fetch().status_code == 503
    assert (other.fetch().status_code, other.looks) == (200, 1)
