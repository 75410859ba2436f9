"""The use cases on one queue, and whether that queue says what PostgreSQL says."""

from __future__ import annotations

from collections.abc import Callable

from redis import Redis
from sqlalchemy import Engine, text

from service.domain.model import Priority
from service.store.agents import PostgresAgents
from service.store.assignments import PostgresAssignments
from service.store.places import PostgresPlaces
from service.store.tickets import PostgresTickets
from service.ticket_queue.keys import Keys
from service.usecases.agents import Agents
from service.usecases.assignments import Assignments
from service.usecases.lifecycle import Lifecycle
from service.usecases.passwords import Passwords
from service.usecases.ports.queue import TicketQueue
from service.usecases.tickets import Tickets

OPEN = text("SELECT priority, id FROM tickets WHERE status = 'open' AND deleted_at IS NULL ORDER BY id")
HELD = text(
    "SELECT agent_id, id FROM tickets WHERE status IN ('assigned', 'in_progress') AND deleted_at IS NULL ORDER BY id"
)

Make = Callable[..., int]
MakeMany = Callable[..., list[int]]
"""How tests make an agent, and tickets."""

Queues = dict[str, list[int]]
Hands = dict[int, list[int]]


class Desk:
    """Everything that changes tickets, telling one queue."""

    def __init__(self, engine: Engine, queue: TicketQueue, *, store: PostgresAssignments | None = None) -> None:
        store, places = store or PostgresAssignments(engine), PostgresPlaces(engine)
        self.tickets = Tickets(store=PostgresTickets(engine), queue=queue, places=places)
        self.assignments = Assignments(store=store, queue=queue, places=places)
        self.lifecycle = Lifecycle(store=store, queue=queue, places=places)
        self.agents = Agents(store=PostgresAgents(engine), queue=queue, places=places, passwords=Passwords())


def as_decided(engine: Engine) -> tuple[Queues, Hands]:
    """Read the queues and the hands as PostgreSQL has them."""
    queues: Queues = {priority.value: [] for priority in Priority}
    hands: Hands = {}
    with engine.connect() as connection:
        for row in connection.execute(OPEN):
            queues[row.priority].append(row.id)
        for row in connection.execute(HELD):
            hands.setdefault(row.agent_id, []).append(row.id)
    return queues, hands


def as_hinted(client: Redis, keys: Keys) -> tuple[Queues, Hands]:
    """Read the queues and the held sets as Redis has them."""
    queues = {priority.value: [int(n) for n in client.lrange(keys.queue(priority), 0, -1)] for priority in Priority}
    found = client.scan_iter(keys.held_pattern)
    return queues, {keys.agent_of(key): sorted(int(n) for n in client.smembers(key)) for key in found}


def check_agreement(engine: Engine, client: Redis, keys: Keys, *, when: object = None) -> None:
    """Queues and hands are in Redis as PostgreSQL has them, and no claim is in flight."""
    assert as_hinted(client, keys) == as_decided(engine), when
    assert client.zcard(keys.claims) == 0, when
