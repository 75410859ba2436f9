"""Agents on real PostgreSQL: user and profile as one, and a capacity that never falls below the hand."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from argon2 import PasswordHasher
from sqlalchemy import Engine, text

from service.domain.errors import AlreadyExists, Conflict, FairdealError, InvalidInput, NotFound
from service.domain.model import Agent, Availability, Level, Priority, QueuedTicket
from service.store.agents import PostgresAgents
from service.store.assignments import PostgresAssignments
from service.store.places import PostgresPlaces
from service.usecases.agents import Agents
from service.usecases.passwords import Passwords
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.people import AgentChanges, AgentDraft, AgentFilter, AgentProfile
from tests.fakes.queue import MemoryTicketQueue

Make = Callable[..., int]
MakeMany = Callable[..., list[int]]

GOOD = "Correct-horse-7"
HUGE = 2**63


@pytest.fixture
def memory_queue() -> MemoryTicketQueue:
    return MemoryTicketQueue()


@pytest.fixture
def agents(engine: Engine, memory_queue: MemoryTicketQueue) -> Agents:
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    return Agents(
        store=PostgresAgents(engine), queue=memory_queue, places=PostgresPlaces(engine), passwords=Passwords(hasher)
    )


def draft(username: str = "ann", **values: Any) -> AgentDraft:
    return AgentDraft(username=username, password=GOOD, **values)


def run(engine: Engine, statement: str, **values: object) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement), values)


def rows(engine: Engine, query: str, **values: object) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query), values)]


def give(engine: Engine, agent_id: int, ids: list[int]) -> None:
    statement = "UPDATE tickets SET status = 'assigned', agent_id = :agent, epoch = epoch + 1 WHERE id = ANY(:ids)"
    run(engine, statement, agent=agent_id, ids=ids)


def names(agents: Agents, wanted: AgentFilter | None = None, sort: str = "id") -> list[str]:
    return [agent.username for agent in agents.page(wanted or AgentFilter(), PageRequest(sort=sort)).items]


def test_an_agent_is_a_user_and_a_profile_in_one(agents: Agents, engine: Engine) -> None:
    created = agents.create(
        draft(
            email="a@x.org",
            first_name="Ann",
            level=Level.SENIOR,
            availability=Availability.AWAY,
            auto_assign=True,
            capacity=4,
        )
    )
    assert agents.get(created.id) == created
    assert (created.username, created.email, created.first_name, created.is_active) == ("ann", "a@x.org", "Ann", True)
    assert (created.level, created.availability) == (Level.SENIOR, Availability.AWAY)
    assert (created.auto_assign, created.capacity, created.held) == (True, 4, 0)
    assert rows(engine, "SELECT id, role FROM users") == [(created.id, "agent")]


def test_half_an_agent_is_never_written(agents: Agents, engine: Engine) -> None:
    agents.create(draft("ann"))
    with pytest.raises(AlreadyExists) as caught:
        agents.create(draft("ANN"))
    assert caught.value.facts == {"field": "username"}
    assert rows(engine, "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM agents)") == [(1, 1)]


def test_an_agent_created_inactive_is_inactive(agents: Agents) -> None:
    assert not agents.create(draft(is_active=False)).is_active


def test_a_profile_is_for_a_user_with_the_role_and_without_one(
    agents: Agents, make_user: Make, make_agent: Make
) -> None:
    bare, admin, ann = make_user("bare", role="agent"), make_user("root"), make_agent("ann")
    profile = AgentProfile(level=Level.SENIOR, capacity=2)
    with pytest.raises(NotFound):
        agents.get(bare)
    created = agents.create_profile(bare, profile)
    assert (created.id, created.level, created.capacity) == (bare, Level.SENIOR, 2)
    with pytest.raises(AlreadyExists) as caught:
        agents.create_profile(ann, profile)
    assert caught.value.facts == {"field": "user_id"}
    with pytest.raises(Conflict, match="has the role 'admin'"):
        agents.create_profile(admin, profile)


@pytest.mark.parametrize("agent_id", [0, -1, 999, HUGE - 1, HUGE, HUGE**2])
def test_an_id_that_no_agent_has_is_not_found(agents: Agents, agent_id: int) -> None:
    for call in (
        lambda: agents.get(agent_id),
        lambda: agents.delete(agent_id, actor_id=None),
        lambda: agents.update(agent_id, AgentChanges(capacity=3), actor_id=None),
        lambda: agents.set_availability(agent_id, Availability.AWAY),
        lambda: agents.create_profile(agent_id, AgentProfile()),
    ):
        with pytest.raises(NotFound):
            call()


@pytest.mark.parametrize("role", ["admin", "operator"])
def test_a_user_with_another_role_is_no_agent(agents: Agents, engine: Engine, make_agent: Make, role: str) -> None:
    ann = make_agent("ann")
    run(engine, "UPDATE users SET role = :role", role=role)
    assert names(agents) == []
    for call in (
        lambda: agents.get(ann),
        lambda: agents.delete(ann, actor_id=None),
        lambda: agents.update(ann, AgentChanges(first_name="x"), actor_id=None),
    ):
        with pytest.raises(NotFound):
            call()
    assert rows(engine, "SELECT deleted_at, first_name FROM users") == [(None, "")]


def test_a_change_reaches_both_halves_and_leaves_the_rest(agents: Agents) -> None:
    before = agents.create(draft(email="a@x.org", last_name="Lee", capacity=9))
    after = agents.update(
        before.id,
        AgentChanges(username="anna", phone="1", level=Level.SENIOR, auto_assign=True, capacity=15),
        actor_id=None,
    )
    assert (after.username, after.phone, after.email, after.last_name) == ("anna", "1", "a@x.org", "Lee")
    assert (after.level, after.auto_assign, after.capacity) == (Level.SENIOR, True, 15)
    assert after.availability is Availability.AVAILABLE
    assert after.updated_at > before.updated_at
    assert agents.update(before.id, AgentChanges(auto_assign=False), actor_id=None).auto_assign is False
    assert agents.update(before.id, AgentChanges(email=None), actor_id=None).email is None
    assert agents.get(before.id).level is Level.SENIOR


@pytest.mark.parametrize("changes", [AgentChanges(level=Level.SENIOR), AgentChanges(phone="1")])
def test_a_change_of_either_half_is_a_change_of_the_agent(agents: Agents, changes: AgentChanges) -> None:
    before = agents.create(draft())
    assert agents.update(before.id, changes, actor_id=None).updated_at > before.updated_at


def test_a_capacity_may_fall_to_what_is_held_and_no_further(
    agents: Agents, engine: Engine, make_agent: Make, make_tickets: MakeMany
) -> None:
    ann = make_agent("ann")
    give(engine, ann, make_tickets(4, enqueue=False))
    assert agents.update(ann, AgentChanges(capacity=4), actor_id=None).capacity == 4
    with pytest.raises(Conflict, match=r"holds 4 tickets.*take 1 of them back first") as caught:
        agents.update(ann, AgentChanges(capacity=3, first_name="Ann"), actor_id=None)
    assert caught.value.facts == {"held": 4, "capacity": 3}
    unchanged = agents.get(ann)
    assert (unchanged.capacity, unchanged.held, unchanged.first_name) == (4, 4, "")


def test_whoever_is_deactivated_at_the_same_time_holds_nothing(
    agents: Agents, engine: Engine, make_agent: Make, make_tickets: MakeMany
) -> None:
    ann = make_agent("ann")
    give(engine, ann, make_tickets(4, enqueue=False))
    after = agents.update(ann, AgentChanges(capacity=1, is_active=False), actor_id=None)
    assert (after.capacity, after.held, after.is_active) == (1, 0, False)


def test_a_smaller_capacity_and_a_fetch_at_once_never_overfill(
    agents: Agents, engine: Engine, make_agent: Make, make_tickets: MakeMany
) -> None:
    store = PostgresAssignments(engine)

    def fetch(agent_id: int, ids: list[int]) -> None:
        popped = [QueuedTicket(ticket_id, Priority.MEDIUM) for ticket_id in ids]
        store.claim(claim_id=uuid4(), agent_id=agent_id, popped=popped, limit=15)

    for number in range(10):
        ann, ids = make_agent(f"agent{number}"), make_tickets(15, enqueue=False)
        with ThreadPoolExecutor(2) as pool:
            fetching = pool.submit(fetch, ann, ids)
            shrinking = pool.submit(agents.update, ann, AgentChanges(capacity=3), actor_id=None)
            fetching.result()
            refusal = shrinking.exception()
        after = agents.get(ann)
        assert refusal is None or isinstance(refusal, Conflict)
        assert (after.capacity, after.held) == ((3, 3) if refusal is None else (15, 15))


@pytest.mark.parametrize("changes", [AgentChanges(is_active=False), None])
def test_an_agent_who_stops_loses_the_hand_at_once(
    agents: Agents,
    engine: Engine,
    memory_queue: MemoryTicketQueue,
    make_agent: Make,
    make_tickets: MakeMany,
    changes: AgentChanges | None,
) -> None:
    ann, ids = make_agent("ann"), make_tickets(3, "low", enqueue=False)
    give(engine, ann, ids[1:])
    memory_queue.lists[Priority.LOW], memory_queue.held[ann] = [ids[0]], set(ids[1:])
    if changes is None:
        agents.delete(ann, actor_id=7)
    else:
        assert agents.update(ann, changes, actor_id=7).held == 0
    assert memory_queue.lists[Priority.LOW] == ids
    assert memory_queue.held[ann] == set()
    assert rows(engine, "SELECT DISTINCT status, agent_id FROM tickets") == [("open", None)]
    cause = "delete" if changes is None else "deactivate"
    history = rows(engine, "SELECT cause, agent_id, actor_id FROM ticket_events")
    assert history == [(cause, ann, 7), (cause, ann, 7)]


def test_deactivation_and_fetch_at_once_leave_nothing_in_a_dead_hand(
    agents: Agents, engine: Engine, make_agent: Make, make_tickets: MakeMany
) -> None:
    store = PostgresAssignments(engine)

    def fetch(agent_id: int, ids: list[int]) -> None:
        popped = [QueuedTicket(ticket_id, Priority.MEDIUM) for ticket_id in ids]
        store.claim(claim_id=uuid4(), agent_id=agent_id, popped=popped, limit=15)

    for number in range(10):
        ann, ids = make_agent(f"agent{number}"), make_tickets(5, enqueue=False)
        with ThreadPoolExecutor(2) as pool:
            fetching = pool.submit(fetch, ann, ids)
            stopping = pool.submit(agents.update, ann, AgentChanges(is_active=False), actor_id=None)
            stopping.result()
            assert fetching.exception() is None or isinstance(fetching.exception(), FairdealError)
        assert agents.get(ann).held == 0
    assert rows(engine, "SELECT DISTINCT status FROM tickets") == [("open",)]


def test_availability_moves_no_ticket(agents: Agents, engine: Engine, make_agent: Make, make_tickets: MakeMany) -> None:
    ann = make_agent("ann")
    give(engine, ann, make_tickets(2, enqueue=False))
    away = agents.set_availability(ann, Availability.AWAY)
    assert (away.availability, away.held) == (Availability.AWAY, 2)
    assert agents.set_availability(ann, Availability.AVAILABLE).availability is Availability.AVAILABLE


def test_agents_are_found_and_filtered(agents: Agents, make_user: Make) -> None:
    agents.create(draft("ann", first_name="Ann", last_name="Lee"))
    agents.create(draft("bob", email="b@x.org", level=Level.SENIOR, availability=Availability.AWAY))
    gone = agents.create(draft("cid", is_active=False))
    agents.delete(agents.create(draft("dan")).id, actor_id=None)
    make_user("root")
    assert names(agents) == ["ann", "bob", "cid"]
    assert names(agents, AgentFilter(text="N LEE")) == ["ann"]
    assert names(agents, AgentFilter(text="b@X")) == ["bob"]
    assert names(agents, AgentFilter(level=Level.SENIOR)) == ["bob"]
    assert names(agents, AgentFilter(availability=Availability.AVAILABLE, is_active=True)) == ["ann"]
    assert names(agents, AgentFilter(is_active=False)) == [gone.username]


def test_agents_are_listed_by_every_sort_on_offer_page_by_page(
    agents: Agents, engine: Engine, make_tickets: MakeMany
) -> None:
    made = [agents.create(draft(name, capacity=capacity)) for name, capacity in (("cid", 5), ("Ann", 9), ("bob", 5))]
    give(engine, made[0].id, make_tickets(2, enqueue=False))
    for sort in ("id", "username", "held", "level", "capacity", "created_at"):
        for direction in ("", "-"):
            seen: list[Agent] = []
            cursor = None
            while len(seen) < 3:
                page = agents.page(AgentFilter(), PageRequest(limit=1, cursor=cursor, sort=direction + sort))
                seen += page.items
                cursor = page.next
            assert cursor is None
            assert len({agent.id for agent in seen}) == 3
    assert names(agents, sort="username") == ["Ann", "bob", "cid"]
    assert names(agents, sort="-held") == ["cid", "bob", "Ann"]
    with pytest.raises(InvalidInput, match="sort"):
        names(agents, sort="email")
