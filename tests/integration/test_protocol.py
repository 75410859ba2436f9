"""The steps in their order: PostgreSQL first, then the queue; out of the hand first, then into the queue."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import pytest
from redis import Redis
from sqlalchemy import Engine, text

from service.domain.errors import AgentAway, AgentInactive
from service.domain.model import Priority, QueuedTicket, TicketStatus
from service.store.agents import PostgresAgents
from service.store.assignments import PostgresAssignments
from service.store.places import PostgresPlaces
from service.store.tickets import PostgresTickets
from service.ticket_queue.keys import Keys
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.agents import Agents
from service.usecases.assignments import Assignments
from service.usecases.lifecycle import Lifecycle
from service.usecases.passwords import Passwords
from service.usecases.ports.people import AgentChanges
from service.usecases.ports.queue import Popped
from service.usecases.ports.tickets import TicketDraft
from service.usecases.tickets import Tickets

Make = Callable[..., int]
MakeMany = Callable[..., list[int]]
STATE = text("SELECT status, agent_id FROM tickets WHERE id = :id AND deleted_at IS NULL")


@dataclass(frozen=True)
class Told:
    """One hint, and how things stood elsewhere when it was given."""

    what: str
    ticket_id: int
    status: str | None
    holder: int | None
    in_hands: frozenset[int]


class Listening(RedisTicketQueue):
    """Before each hint, look from another connection at PostgreSQL, and at the held sets."""

    def __init__(self, client: Redis, keys: Keys, engine: Engine) -> None:
        super().__init__(client, keys)
        self._engine, self._redis, self._names = engine, client, keys
        self.told: list[Told] = []

    def _look(self, what: str, ids: Iterable[int]) -> list[int]:
        listed = list(ids)
        for ticket_id in listed:
            with self._engine.connect() as connection:
                row = connection.execute(STATE, {"id": ticket_id}).one_or_none()
            holding = [key for key in self._redis.scan_iter(self._names.held_pattern) if self._is_in(key, ticket_id)]
            state = (None, None) if row is None else (row.status, row.agent_id)
            self.told.append(Told(what, ticket_id, *state, frozenset(map(self._names.agent_of, holding))))
        return listed

    def _is_in(self, key: str, ticket_id: int) -> bool:
        return bool(self._redis.sismember(key, str(ticket_id)))

    def enqueue(self, tickets: Sequence[QueuedTicket]) -> int:
        self._look("enqueue", [ticket.id for ticket in tickets])
        return super().enqueue(tickets)

    def remove(self, tickets: Sequence[QueuedTicket]) -> int:
        self._look("remove", [ticket.id for ticket in tickets])
        return super().remove(tickets)

    def hold(self, agent_id: int, ticket_ids: Iterable[int]) -> None:
        super().hold(agent_id, self._look("hold", ticket_ids))

    def unhold(self, agent_id: int, ticket_ids: Iterable[int]) -> None:
        super().unhold(agent_id, self._look("unhold", ticket_ids))


class Desk:
    """The use cases on one store and one queue."""

    def __init__(self, engine: Engine, queue: RedisTicketQueue) -> None:
        store = PostgresAssignments(engine)
        self.tickets = Tickets(store=PostgresTickets(engine), queue=queue, places=PostgresPlaces(engine))
        self.assignments = Assignments(store=store, queue=queue, places=PostgresPlaces(engine))
        self.lifecycle = Lifecycle(store=store, queue=queue, places=PostgresPlaces(engine))
        self.agents = Agents(
            store=PostgresAgents(engine), queue=queue, places=PostgresPlaces(engine), passwords=Passwords()
        )


@pytest.fixture
def listening(engine: Engine, queue: RedisTicketQueue, redis_client: Redis, keys: Keys) -> Listening:
    return Listening(redis_client, keys, engine)


@pytest.fixture
def day(engine: Engine, listening: Listening, make_agent: Make) -> tuple[int, int]:
    """A day on which tickets are created, fetched, given back, given by hand, resolved and deleted; Ann and Bob."""
    desk, ann, bob = Desk(engine, listening), make_agent("ann"), make_agent("bob")
    desk.tickets.create(TicketDraft(subject="Printer 1"), actor_id=None)
    desk.tickets.create_many([TicketDraft(subject=f"Printer {n}") for n in range(2, 8)], actor_id=None)
    desk.assignments.fetch(ann, limit=3)
    desk.lifecycle.release(ann, 1, reason="lunch")
    desk.lifecycle.return_one(2, actor_id=None)
    desk.assignments.return_all(ann, actor_id=None)
    desk.assignments.fetch(ann, limit=2)
    desk.agents.update(ann, AgentChanges(is_active=False), actor_id=None)
    desk.lifecycle.assign(3, agent_id=bob, actor_id=None)
    desk.lifecycle.resolve(bob, 3)
    desk.tickets.delete(4, actor_id=None)
    return ann, bob


def test_the_queue_hears_of_nothing_before_it_is_committed(listening: Listening, day: tuple[int, int]) -> None:
    ann, bob = day
    committed = {
        "enqueue": {(TicketStatus.OPEN, None)},
        "hold": {(TicketStatus.ASSIGNED, ann), (TicketStatus.ASSIGNED, bob)},
        "remove": {(TicketStatus.ASSIGNED, ann), (TicketStatus.ASSIGNED, bob), (None, None)},
        "unhold": {(TicketStatus.OPEN, None), (TicketStatus.RESOLVED, bob)},
    }
    assert {told.what for told in listening.told} == set(committed)
    for told in listening.told:
        assert (told.status, told.holder) in committed[told.what], told


def test_a_hand_is_emptied_before_the_queue_is_filled(listening: Listening, day: tuple[int, int]) -> None:
    """Whoever pops the ticket at once would count it, and then lose it to the late removal of somebody else's."""
    filled = [told for told in listening.told if told.what == "enqueue"]
    assert len(filled) > 7, "some were given back"
    assert [told for told in filled if told.in_hands] == []


class Meanwhile(RedisTicketQueue):
    """After a pop, before PostgreSQL decides, something happens."""

    happening: Callable[[], None]

    def claim(self, **asked: object) -> Popped:  # type: ignore[override]
        popped = super().claim(**asked)  # type: ignore[arg-type]
        self.happening()
        return popped


@pytest.fixture
def meanwhile(queue: RedisTicketQueue, redis_client: Redis, keys: Keys) -> Meanwhile:
    return Meanwhile(redis_client, keys)


def execute(engine: Engine, statement: str, **values: object) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement), values)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ("UPDATE agents SET availability = 'away' WHERE id = :id", AgentAway),
        ("UPDATE users SET is_active = false WHERE id = :id", AgentInactive),
        ("UPDATE users SET deleted_at = now() WHERE id = :id", AgentInactive),
        ("UPDATE users SET role = 'operator' WHERE id = :id", AgentInactive),
    ],
)
def test_an_agent_who_left_after_the_pop_is_given_nothing(
    engine: Engine,
    meanwhile: Meanwhile,
    make_agent: Make,
    make_tickets: MakeMany,
    redis_client: Redis,
    keys: Keys,
    change: str,
    error: type[Exception],
) -> None:
    agent, created = make_agent(), make_tickets(20)
    meanwhile.happening = lambda: execute(engine, change, id=agent)
    store = PostgresAssignments(engine)
    with pytest.raises(error):
        Assignments(store=store, queue=meanwhile, places=PostgresPlaces(engine)).fetch(agent)
    assert store.hand(agent) == []
    assert [int(entry) for entry in redis_client.lrange(keys.queue(Priority.MEDIUM), 0, -1)] == created
    assert redis_client.scard(keys.held(agent)) == redis_client.zcard(keys.claims) == 0


def test_what_the_cap_cuts_off_goes_back_to_its_place(
    engine: Engine, meanwhile: Meanwhile, make_agent: Make, make_tickets: MakeMany, redis_client: Redis, keys: Keys
) -> None:
    agent, created = make_agent(), make_tickets(40)
    by_hand = created[-13:]
    give = "UPDATE tickets SET status = 'assigned', agent_id = :agent, epoch = epoch + 1 WHERE id = ANY (:ids)"
    meanwhile.happening = lambda: execute(engine, give, agent=agent, ids=by_hand)
    hand = Assignments(store=PostgresAssignments(engine), queue=meanwhile, places=PostgresPlaces(engine)).fetch(agent)
    assert [ticket.id for ticket in hand.tickets] == created[:2] + by_hand
    assert hand.assigned_now == 2
    assert [int(entry) for entry in redis_client.lrange(keys.queue(Priority.MEDIUM), 0, -1)] == created[2:]
    assert redis_client.smembers(keys.held(agent)) == {str(ticket_id) for ticket_id in created[:2]}


def test_phantoms_are_replaced_from_the_queue_as_long_as_there_are_few(
    engine: Engine, queue: RedisTicketQueue, make_agent: Make, make_tickets: MakeMany, redis_client: Redis, keys: Keys
) -> None:
    ann, bob, created = make_agent("ann"), make_agent("bob"), make_tickets(40)
    subject = Assignments(store=PostgresAssignments(engine), queue=queue, places=PostgresPlaces(engine))
    subject.fetch(ann)
    redis_client.lpush(keys.queue(Priority.MEDIUM), *reversed(created[:15]))
    hand = subject.fetch(bob)
    assert ([ticket.id for ticket in hand.tickets], hand.served_by) == (created[15:30], "queue")
    assert redis_client.smembers(keys.held(bob)) == {str(ticket_id) for ticket_id in created[15:30]}
