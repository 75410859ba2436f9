"""What the use cases make of what people typed about agents, before any store sees it."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher

from service.domain.errors import InvalidInput, NotFound
from service.domain.model import Availability, Level, Priority, QueuedTicket
from service.usecases.agents import Agents
from service.usecases.passwords import Passwords
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.people import AgentChanges, AgentDraft, AgentFilter, AgentProfile
from tests.fakes.people import RecordingAgents
from tests.fakes.places import KnownPlaces
from tests.fakes.queue import MemoryTicketQueue

CHEAP = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
GOOD = "Correct-horse-7"
RETURNED = (QueuedTicket(3, Priority.LOW),)


@pytest.fixture
def store() -> RecordingAgents:
    return RecordingAgents(returned=RETURNED)


@pytest.fixture
def queue() -> MemoryTicketQueue:
    return MemoryTicketQueue()


@pytest.fixture
def agents(store: RecordingAgents, queue: MemoryTicketQueue) -> Agents:
    return Agents(store=store, queue=queue, places=KnownPlaces(RETURNED), passwords=CHEAP)


def test_an_agent_is_created_with_a_hash_and_a_profile(agents: Agents, store: RecordingAgents) -> None:
    agents.create(AgentDraft(username="ann", password=GOOD, level=Level.SENIOR, capacity=3, last_name=" Lee "))
    kept = store.drafts[0]
    assert (kept.level, kept.capacity, kept.last_name) == (Level.SENIOR, 3, "Lee")
    assert CHEAP.matches(GOOD, kept.password)


@pytest.mark.parametrize("capacity", [0, -1, 16])
def test_a_capacity_out_of_bounds_is_refused_with_everything_else(agents: Agents, capacity: int) -> None:
    with pytest.raises(InvalidInput) as caught:
        agents.create(AgentDraft(username="?", password=GOOD, email="x", capacity=capacity))
    assert [error["field"] for error in caught.value.facts["errors"]] == ["username", "email", "capacity"]
    with pytest.raises(InvalidInput, match="capacity: must be between 1 and 15"):
        agents.update(1, AgentChanges(capacity=capacity), actor_id=None)
    with pytest.raises(InvalidInput, match="capacity: must be between 1 and 15"):
        agents.create_profile(1, AgentProfile(capacity=capacity))


@pytest.mark.parametrize("capacity", [1, 15])
def test_the_bounds_of_a_capacity_are_within_it(agents: Agents, store: RecordingAgents, capacity: int) -> None:
    agents.update(1, AgentChanges(capacity=capacity), actor_id=None)
    agents.create_profile(1, AgentProfile(capacity=capacity))
    assert [kept.capacity for kept in (*store.changes, *store.profiles)] == [capacity, capacity]


def test_what_is_taken_from_a_hand_goes_back_to_its_queue(agents: Agents, queue: MemoryTicketQueue) -> None:
    queue.held[7] = {3}
    agents.update(7, AgentChanges(is_active=False), actor_id=1)
    assert queue.lists[Priority.LOW] == [3]
    assert queue.held[7] == set()


def test_a_deleted_agent_leaves_nothing_in_hand(agents: Agents, queue: MemoryTicketQueue) -> None:
    queue.held[7] = {3}
    agents.delete(7, actor_id=1)
    assert queue.lists[Priority.LOW] == [3]
    assert queue.held[7] == set()


def test_availability_changes_nothing_else(agents: Agents, store: RecordingAgents) -> None:
    agents.set_availability(7, Availability.AWAY)
    assert store.changes == [AgentChanges(availability=Availability.AWAY)]


def test_an_agent_who_is_not_there_is_not_found(agents: Agents) -> None:
    assert agents.get(1).id == 1
    with pytest.raises(NotFound, match="There is no agent 2"):
        agents.get(2)


def test_a_search_is_cleaned_before_it_is_made(agents: Agents, store: RecordingAgents) -> None:
    agents.page(AgentFilter(text=" ann "), PageRequest())
    assert store.filters == [AgentFilter(text="ann")]
    with pytest.raises(InvalidInput, match="q: must not contain control characters"):
        agents.page(AgentFilter(text="a\0"), PageRequest())


@pytest.mark.parametrize("name", ["zoe", "", "a b", "\x00", "x" * 1_000])
def test_an_agent_nobody_is_called_so_is_not_there(agents: Agents, store: RecordingAgents, name: str) -> None:
    with pytest.raises(NotFound, match="called"):
        agents.named(f" {name} ")
    assert [wanted.username for wanted in store.filters] == (["zoe"] if name == "zoe" else [])
