"""Tickets as records on real PostgreSQL, and the queue that follows them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from redis import Redis
from sqlalchemy import Engine

from service.domain.errors import InvalidInput, NotFound, StaleEpoch
from service.domain.model import Cause, Principal, Priority, Role, TicketStatus
from service.store.assignments import PostgresAssignments
from service.store.places import PostgresPlaces
from service.store.tickets import PostgresTickets
from service.ticket_queue.client import make_client
from service.ticket_queue.keys import Keys
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.assignments import Assignments
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.tickets import TicketChanges, TicketDraft, TicketFilter
from service.usecases.tickets import Tickets

Make = Callable[..., int]
MakeMany = Callable[..., list[int]]
ADMIN = Principal(user_id=1, username="root", role=Role.ADMIN, session_id=uuid4())


@pytest.fixture
def tickets(engine: Engine, queue: RedisTicketQueue) -> Tickets:
    return Tickets(store=PostgresTickets(engine), queue=queue, places=PostgresPlaces(engine))


@pytest.fixture
def assignments(engine: Engine, queue: RedisTicketQueue) -> Assignments:
    return Assignments(store=PostgresAssignments(engine), queue=queue, places=PostgresPlaces(engine))


@pytest.fixture
def queued(redis_client: Redis, keys: Keys) -> Callable[[Priority], list[int]]:
    return lambda priority: [int(entry) for entry in redis_client.lrange(keys.queue(priority), 0, -1)]


Queued = Callable[[Priority], list[int]]


def as_agent(agent_id: int) -> Principal:
    return Principal(user_id=agent_id, username="ann", role=Role.AGENT, session_id=uuid4())


def test_a_created_ticket_queues_itself(tickets: Tickets, queued: Queued, make_user: Make) -> None:
    ticket = tickets.create(TicketDraft(subject="  Printer on fire "), actor_id=make_user())
    assert (ticket.subject, ticket.status, ticket.priority) == ("Printer on fire", TicketStatus.OPEN, Priority.MEDIUM)
    assert queued(Priority.MEDIUM) == [ticket.id]
    [event] = tickets.history(ticket.id, PageRequest(), viewer=ADMIN).items
    assert (event.cause, event.to_status, event.actor_id) == (Cause.CREATE, TicketStatus.OPEN, 1)


def test_many_are_created_in_the_order_given(tickets: Tickets, queued: Queued) -> None:
    created = tickets.create_many([TicketDraft(subject=f"Ticket {n}") for n in range(600)], actor_id=None)
    assert [ticket.subject for ticket in created] == [f"Ticket {n}" for n in range(600)]
    assert queued(Priority.MEDIUM) == [ticket.id for ticket in created]


def test_a_bad_draft_among_many_creates_none(tickets: Tickets) -> None:
    with pytest.raises(InvalidInput):
        tickets.create_many([TicketDraft(subject="good"), TicketDraft(subject="")], actor_id=None)
    assert tickets.page(TicketFilter(), PageRequest(), viewer=ADMIN).total == 0


def test_concurrent_creators_cannot_invert_the_order(tickets: Tickets, queued: Queued) -> None:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: tickets.create(TicketDraft(subject=f"Ticket {n}"), actor_id=None), range(200)))
    assert queued(Priority.MEDIUM) == list(range(1, 201))


def test_a_ticket_is_created_though_the_queue_is_away(engine: Engine, keys: Keys) -> None:
    nobody = RedisTicketQueue(make_client("redis://127.0.0.1:1/0", timeout_ms=200), keys)
    ticket = Tickets(store=PostgresTickets(engine), queue=nobody, places=PostgresPlaces(engine)).create(
        TicketDraft(subject="x"), actor_id=None
    )
    assert ticket.status is TicketStatus.OPEN


def test_agents_see_their_own_alone(
    tickets: Tickets, assignments: Assignments, make_agent: Make, make_tickets: MakeMany
) -> None:
    ann, bob = make_agent("ann"), make_agent("bob")
    make_tickets(20)
    assignments.fetch(ann, limit=3)
    assignments.fetch(bob, limit=2)
    page = tickets.page(TicketFilter(), PageRequest(), viewer=as_agent(bob))
    assert [ticket.id for ticket in page.items] == [4, 5]
    assert tickets.page(TicketFilter(agent_id=ann), PageRequest(), viewer=as_agent(bob)).items == ()
    for hidden in (1, 20, 10**9):
        with pytest.raises(NotFound):
            tickets.get(hidden, viewer=as_agent(bob))
        with pytest.raises(NotFound):
            tickets.history(hidden, PageRequest(), viewer=as_agent(bob))


def test_a_new_priority_moves_a_queued_ticket_to_its_place_in_the_other_queue(
    tickets: Tickets, make_tickets: MakeMany, queued: Queued
) -> None:
    make_tickets(3)
    make_tickets(2, "high")
    changed = tickets.update(2, TicketChanges(priority=Priority.HIGH), actor_id=None)
    assert changed.priority is Priority.HIGH
    assert (queued(Priority.MEDIUM), queued(Priority.HIGH)) == ([1, 3], [2, 4, 5])


def test_a_new_priority_of_a_held_ticket_queues_nothing(
    tickets: Tickets, assignments: Assignments, make_agent: Make, make_tickets: MakeMany, queued: Queued
) -> None:
    make_tickets(1)
    agent = make_agent()
    assignments.fetch(agent)
    tickets.update(1, TicketChanges(priority=Priority.HIGH), actor_id=None)
    assert queued(Priority.HIGH) == []
    *_, event = tickets.history(1, PageRequest(), viewer=ADMIN).items
    assert (event.cause, event.agent_id, event.priority) == (Cause.EDIT, agent, Priority.HIGH)


def test_an_edit_leaves_what_it_does_not_name_and_is_in_the_history(tickets: Tickets, make_tickets: MakeMany) -> None:
    make_tickets(1)
    changed = tickets.update(1, TicketChanges(description="It burns"), actor_id=None)
    assert (changed.subject, changed.description) == ("Ticket 1", "It burns")
    assert tickets.update(1, TicketChanges(description="It burns"), actor_id=None) == changed
    [event] = tickets.history(1, PageRequest(), viewer=ADMIN).items
    assert (event.cause, event.note) == (Cause.EDIT, "description")


def test_an_edit_of_a_ticket_that_changed_hands_is_refused(
    tickets: Tickets, assignments: Assignments, make_agent: Make, make_tickets: MakeMany
) -> None:
    make_tickets(1)
    assignments.fetch(make_agent())
    with pytest.raises(StaleEpoch):
        tickets.update(1, TicketChanges(subject="x"), actor_id=None, expected_epoch=0)
    with pytest.raises(StaleEpoch):
        tickets.delete(1, actor_id=None, expected_epoch=0)


def test_a_deleted_ticket_leaves_queue_and_hand_and_is_found_nowhere(
    tickets: Tickets, assignments: Assignments, make_agent: Make, make_tickets: MakeMany, queued: Queued,
    queue: RedisTicketQueue,
) -> None:  # fmt: skip
    agent = make_agent()
    make_tickets(4)
    assignments.fetch(agent, limit=2)
    for ticket_id in (1, 3):
        tickets.delete(ticket_id, actor_id=None)
        with pytest.raises(NotFound):
            tickets.get(ticket_id, viewer=ADMIN)
        with pytest.raises(NotFound):
            tickets.delete(ticket_id, actor_id=None)
    assert queued(Priority.MEDIUM) == [4]
    assert [ticket.id for ticket in assignments.held(agent).tickets] == [2]
    assert queue.hand(agent).settled == {2}
    assert tickets.page(TicketFilter(), PageRequest(), viewer=ADMIN).total == 2


def test_lists_filter_search_and_page(
    tickets: Tickets, assignments: Assignments, make_agent: Make, make_tickets: MakeMany
) -> None:
    make_tickets(30)
    make_tickets(2, "high")
    agent = make_agent()
    assignments.fetch(agent, limit=4)

    def found(wanted: TicketFilter, **asked: object) -> list[int]:
        return [ticket.id for ticket in tickets.page(wanted, PageRequest(**asked), viewer=ADMIN).items]  # type: ignore[arg-type]

    assert found(TicketFilter(statuses=(TicketStatus.ASSIGNED,))) == [1, 2, 3, 4]
    assert found(TicketFilter(priorities=(Priority.HIGH,))) == [31, 32]
    assert found(TicketFilter(agent_id=agent), sort="-id") == [4, 3, 2, 1]
    assert found(TicketFilter(text="TICKET 30")) == [30]
    assert found(TicketFilter(text="100%_")) == []
    assert found(TicketFilter(created_after=datetime.now(UTC) + timedelta(hours=1))) == []
    first = tickets.page(TicketFilter(), PageRequest(limit=20), viewer=ADMIN)
    rest = tickets.page(TicketFilter(), PageRequest(limit=20, cursor=first.next), viewer=ADMIN)
    assert (first.total, rest.next) == (32, None)
    assert [ticket.id for ticket in first.items + rest.items] == list(range(1, 33))


@pytest.mark.parametrize("asked", [{"cursor": "nonsense"}, {"sort": "agent"}, {"limit": 0}])
def test_a_page_that_cannot_be_is_refused(tickets: Tickets, asked: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        tickets.page(TicketFilter(), PageRequest(**asked), viewer=ADMIN)  # type: ignore[arg-type]
