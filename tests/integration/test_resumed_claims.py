"""A fetch that was never answered: the agent's next one takes up the claim that it left behind."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
from redis import Redis
from sqlalchemy import Engine, text

from scripts.waiting import wait_until
from service.domain.errors import StoreUnavailable
from service.domain.model import Priority
from service.store.assignments import PostgresAssignments
from service.ticket_queue.keys import Keys
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.assignments import Hand
from service.usecases.dealing import RESUME_AFTER_S
from service.usecases.ports.queue import HandHint
from service.usecases.ports.tickets import Claimed
from tests.integration.desk import Desk, as_decided, as_hinted

Make = Callable[..., int]
MakeMany = Callable[..., list[int]]

LOCK_AGENT = text("SELECT 1 FROM agents WHERE id = :id FOR UPDATE")
WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


class SilentStore(PostgresAssignments):
    """Give no answer to a claim, having carried it out or not, and none to the question what became of it."""

    def __init__(self, engine: Engine, *, commits: bool) -> None:
        super().__init__(engine)
        self._commits = commits
        self._is_gone = False

    def claim(self, **asked: object) -> Claimed:  # type: ignore[override]
        self._is_gone = True
        if self._commits:
            super().claim(**asked)  # type: ignore[arg-type]
        raise StoreUnavailable("gone")

    def claimed_by(self, claim_id: UUID) -> tuple[int, ...] | None:
        if self._is_gone:
            raise StoreUnavailable("gone")
        return super().claimed_by(claim_id)


class Counter:
    """One agent before a queue of forty tickets."""

    def __init__(self, engine: Engine, client: Redis, keys: Keys, agent: int, created: list[int]) -> None:
        self.engine, self.client, self.keys, self.agent, self.created = engine, client, keys, agent, created
        self.desk = Desk(engine, RedisTicketQueue(client, keys))

    def fetch_unanswered(
        self, *, commits: bool = False, limit: int | None = None, operation_id: UUID | None = None
    ) -> None:
        store = SilentStore(self.engine, commits=commits)
        silent = Desk(self.engine, RedisTicketQueue(self.client, self.keys), store=store).assignments
        with pytest.raises(StoreUnavailable):
            silent.fetch(self.agent, limit=limit, operation_id=operation_id)
        assert self.client.zcard(self.keys.claims) == 1

    def fetch(self, *, limit: int | None = None) -> Hand:
        return self.desk.assignments.fetch(self.agent, limit=limit)

    def age(self, by_s: float = RESUME_AFTER_S + 1) -> None:
        """Let time pass for the claims in flight."""
        for member, score in self.client.zrange(self.keys.claims, 0, -1, withscores=True):
            self.client.zadd(self.keys.claims, {member: score - by_s * 1_000})

    def check(self) -> None:
        assert as_hinted(self.client, self.keys) == as_decided(self.engine)
        assert self.client.zcard(self.keys.claims) == 0


def ids(hand: Hand) -> list[int]:
    return [ticket.id for ticket in hand.tickets]


@pytest.fixture
def counter(
    engine: Engine,
    queue: RedisTicketQueue,
    redis_client: Redis,
    keys: Keys,
    make_agent: Make,
    make_tickets: MakeMany,
) -> Counter:
    return Counter(engine, redis_client, keys, make_agent(), make_tickets(40))


def test_an_unanswered_fetch_is_taken_up_by_the_next(counter: Counter) -> None:
    counter.fetch_unanswered()
    counter.age()
    hand = counter.fetch()
    assert (ids(hand), hand.assigned_now, hand.served_by) == (counter.created[:15], 15, "queue")
    counter.check()


def test_a_fetch_of_a_moment_ago_is_left_alone(counter: Counter) -> None:
    counter.fetch_unanswered()
    counter.age(by_s=RESUME_AFTER_S / 10)
    hand = counter.fetch()
    assert (hand.held, hand.assigned_now) == (0, 0)
    assert counter.client.zcard(counter.keys.claims) == 1


def test_what_an_unanswered_fetch_left_room_for_comes_beside_what_it_took(counter: Counter) -> None:
    counter.fetch_unanswered(limit=10)
    counter.age()
    hand = counter.fetch()
    assert (ids(hand), hand.assigned_now) == (counter.created[:15], 15)
    counter.check()


def test_a_fetch_taken_up_keeps_its_name(counter: Counter) -> None:
    """Whoever repeats it with its `operation_id` gets what was assigned in its place."""
    operation = uuid4()
    counter.fetch_unanswered(operation_id=operation)
    counter.age()
    counter.fetch()
    repeated = counter.desk.assignments.fetch(counter.agent, operation_id=operation)
    assert (ids(repeated), repeated.assigned_now) == (counter.created[:15], 15)


def test_a_named_fetch_that_is_repeated_at_once_gets_what_it_popped(counter: Counter) -> None:
    """Which is in the held set already, and would leave no room for anything else."""
    operation = uuid4()
    counter.fetch_unanswered(operation_id=operation)
    repeated = counter.desk.assignments.fetch(counter.agent, operation_id=operation)
    assert (ids(repeated), repeated.assigned_now) == (counter.created[:15], 15)
    counter.check()


def test_a_fetch_without_a_name_leaves_no_answer_for_a_repetition(counter: Counter) -> None:
    assert counter.fetch().assigned_now == 15
    assert list(counter.client.scan_iter(counter.keys.reply("*").replace("{", "[{]").replace("}", "[}]"))) == []


def test_no_more_is_taken_up_than_is_asked_for(counter: Counter) -> None:
    counter.fetch_unanswered()
    counter.age()
    assert ids(counter.fetch(limit=5)) == counter.created[:5]
    counter.check()
    assert ids(counter.fetch()) == counter.created[:15]


def test_a_fetch_that_was_carried_out_after_all_is_not_repeated(counter: Counter) -> None:
    """Five of those popped had been deleted, and a sixth has been given back since."""
    queue, gone = counter.desk.assignments._queue, counter.created[5:10]
    with counter.engine.begin() as connection:
        connection.execute(text("UPDATE tickets SET deleted_at = now() WHERE id = ANY (:ids)"), {"ids": gone})
    counter.fetch_unanswered(commits=True)
    counter.desk.lifecycle.release(counter.agent, counter.created[0], reason="lunch")
    assert queue.depths()[Priority.MEDIUM] == 26
    counter.age()
    hand = counter.fetch()
    dealt = [ticket_id for ticket_id in counter.created if ticket_id not in gone][:15]
    assert (ids(hand), hand.assigned_now) == (dealt, 6)
    counter.check()


def test_what_was_given_back_since_does_not_count_as_assigned_again(counter: Counter) -> None:
    """A ticket of a fetch that was carried out is open again, just as that fetch is taken up."""
    with counter.engine.begin() as connection:
        connection.execute(text("UPDATE tickets SET deleted_at = now() WHERE id BETWEEN 6 AND 10"))
    counter.fetch_unanswered(commits=True)
    counter.age()

    class Meanwhile(RedisTicketQueue):
        def hand(self, agent_id: int) -> HandHint:
            counter.desk.lifecycle.release(agent_id, counter.created[0], reason="lunch")
            return super().hand(agent_id)

    hand = Desk(counter.engine, Meanwhile(counter.client, counter.keys)).assignments.fetch(counter.agent)
    assert (hand.held, hand.assigned_now) == (14, 5)
    counter.check()


def test_what_did_not_fit_in_an_unanswered_fetch_goes_back_to_its_place(counter: Counter) -> None:
    counter.fetch_unanswered(limit=14)
    for ticket_id in counter.created[-10:]:
        counter.desk.lifecycle.assign(ticket_id, agent_id=counter.agent, actor_id=None)
    counter.age()
    assert ids(counter.fetch()) == [*counter.created[:5], *counter.created[-10:]]
    counter.check()


def test_two_take_up_the_same_fetch_at_once(counter: Counter) -> None:
    counter.fetch_unanswered()
    counter.age()
    start = threading.Barrier(8)

    def fetch() -> Hand:
        start.wait()
        return counter.fetch()

    with ThreadPoolExecutor(8) as pool:
        hands = [future.result() for future in [pool.submit(fetch) for _ in range(8)]]
    assert sum(hand.assigned_now for hand in hands) == 15
    assert ids(counter.desk.assignments.held(counter.agent)) == counter.created[:15]
    counter.check()


def test_a_fetch_that_is_still_running_may_be_taken_up(counter: Counter) -> None:
    with ThreadPoolExecutor(2) as pool, counter.engine.connect() as connection:

        def waiting() -> int:
            with counter.engine.connect() as other:
                return int(other.execute(WAITING).scalar_one())

        connection.execute(LOCK_AGENT, {"id": counter.agent})
        first = pool.submit(counter.fetch)
        assert wait_until(lambda: waiting() == 1, 10)
        counter.age()
        second = pool.submit(counter.fetch)
        assert wait_until(lambda: waiting() == 2, 10)
        connection.rollback()
        hands = first.result(), second.result()
    assert [ids(hand) for hand in hands] == 2 * [counter.created[:15]]
    assert sorted(hand.assigned_now for hand in hands) == [0, 15]
    counter.check()


def test_a_store_that_is_still_away_is_said_to_be(counter: Counter) -> None:
    counter.fetch_unanswered()
    counter.age()
    counter.fetch_unanswered()
