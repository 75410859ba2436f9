"""What goes wrong in Redis itself: drift planted at once, and actors who meddle with it while others work."""

from __future__ import annotations

import contextlib
import random
from abc import abstractmethod
from collections.abc import Callable
from uuid import uuid4

from redis import Redis, RedisError

from service.domain.errors import NotFound, QueueUnavailable
from service.domain.model import Priority, QueuedTicket
from service.ticket_queue.keys import Keys, claim_member
from service.ticket_queue.queue import RedisTicketQueue
from tests.faults.clients import Client, History
from tests.faults.load import Actor, Pause
from tests.faults.stand import Stand

ENTRIES = ("poison", "", "-3", "4.5", "007", "1e3", "nan", "9" * 19, "9" * 30, " 5", "\x00", "٣", "x" * 2_000)
"""What is no id: text, floats, negatives, leading zeros, beyond 64 bits, other digits, long."""


def plant_missing(stand: Stand, ids: list[int]) -> None:
    """Let the queue forget tickets that have long been open."""
    stand.sql("UPDATE tickets SET updated_at = now() - interval '1 hour' WHERE id = ANY(%(ids)s)", ids=ids)
    for ticket_id in ids:
        stand.redis_call("LREM", stand.keys.queue(Priority.MEDIUM), 1, ticket_id)


def plant_phantoms(stand: Stand, count: int) -> list[int]:
    """Let the queue keep tickets that have been deleted."""
    ids = stand.make_tickets(count, enqueue=False)
    for ticket_id in ids:
        with contextlib.suppress(NotFound):  # an admin of the traffic was faster
            stand.container.tickets.delete(ticket_id, actor_id=stand.people.admin.id)
    queue_late(stand, ids)
    return ids


def queue_late(stand: Stand, ids: list[int]) -> None:
    """Queue tickets as a hint does that comes when they are no longer open."""
    with contextlib.closing(stand.redis_client()) as client:
        queue = RedisTicketQueue(client, stand.keys)
        assert queue.enqueue([QueuedTicket(ticket_id, Priority.MEDIUM) for ticket_id in ids]) == len(ids)


def plant_dead_claim(stand: Stand, ids: list[int]) -> None:
    """Let a claim be open whose request died long ago; its tickets are in no queue, and in the agent's held set."""
    agent_id = stand.people.agents[-1].id
    plant_missing(stand, ids)
    stand.redis_call("SADD", stand.keys.held(agent_id), *ids)
    member = claim_member(uuid4(), agent_id, ",".join(f"m{ticket_id}" for ticket_id in ids))
    stand.redis_call("ZADD", stand.keys.claims, 1, member)


class _Meddler(Actor):
    """Somebody with a way to Redis of their own."""

    def __init__(self, stand: Stand) -> None:
        super().__init__(Client(stand.web_port, stand.people.admin, History()))
        self.stand = stand

    def act(self, dice: random.Random, pause: Pause) -> None:
        unheard = contextlib.suppress(RedisError, OSError, QueueUnavailable)
        with contextlib.closing(self.stand.redis_client()) as client, unheard:
            self.meddle(client, dice)
        pause(dice)
        pause(dice)

    @abstractmethod
    def meddle(self, client: Redis, dice: random.Random) -> None:
        """Do harm once."""


class LateHints(_Meddler):
    """Hints that come twice, or when the ticket has long been taken, sold or deleted; some name an old priority."""

    def meddle(self, client: Redis, dice: random.Random) -> None:
        queue = RedisTicketQueue(client, self.stand.keys)
        newest = int(self.stand.sql("SELECT max(id) AS id FROM tickets")[0].id)
        ids = [dice.randint(max(1, newest - 150), newest) for _ in range(dice.randint(1, 6))]
        rows = self.stand.sql("SELECT id, priority FROM tickets WHERE id = ANY(%(ids)s)", ids=ids)
        tickets = [QueuedTicket(row.id, Priority(row.priority)) for row in rows]
        if dice.random() < 0.2:
            tickets = [QueuedTicket(ticket.id, dice.choice(list(Priority))) for ticket in tickets]
        agent_id = dice.choice(self.stand.people.agents[:6]).id
        chance = dice.random()
        if chance < 0.7:
            queue.enqueue([*tickets, *tickets])
        elif chance < 0.8:
            queue.remove(tickets)
        elif chance < 0.9:
            queue.hold(agent_id, ids)
        else:
            queue.unhold(agent_id, ids)


class Poisoner(_Meddler):
    """Somebody who writes what is no id, and keys of wrong types; `times` times, so that there is an end to it."""

    def __init__(self, stand: Stand, times: int) -> None:
        super().__init__(stand)
        self.left = times

    def act(self, dice: random.Random, pause: Pause) -> None:
        if self.left > 0:
            super().act(dice, pause)
            self.left -= 1
        else:
            pause(dice)

    def meddle(self, client: Redis, dice: random.Random) -> None:
        keys = self.stand.keys
        if dice.random() < 0.75:
            _poison_entry(client, keys, self._held(dice), dice)
        else:
            _poison_key(client, keys, self._held(dice), dice)

    def _held(self, dice: random.Random) -> str:
        return self.stand.keys.held(dice.choice(self.stand.people.agents[:6]).id)


def _poison_entry(client: Redis, keys: Keys, held: str, dice: random.Random) -> None:
    entry, queue = dice.choice(ENTRIES), keys.queue(dice.choice(list(Priority)))
    places: list[Callable[[], object]] = [
        lambda: client.lpush(queue, entry),
        lambda: client.rpush(queue, entry),
        lambda: client.linsert(queue, "BEFORE", str(client.lindex(queue, 5)), entry),
        lambda: client.sadd(held, entry),
        lambda: client.zadd(keys.claims, {entry: dice.choice([0, 1, 2e12])}),
        lambda: client.zadd(keys.claims, {f"{uuid4()}|{entry}|{entry}": 1}),
        lambda: client.rpush(keys.quarantine, entry),
        lambda: client.set(keys.inversions, entry),
    ]
    dice.choice(places)()


def _poison_key(client: Redis, keys: Keys, held: str, dice: random.Random) -> None:
    """Put a value of a random type in the place of a key."""
    queue = keys.queue(dice.choice(list(Priority)))
    key = dice.choice([queue, held, keys.claims, keys.generation, keys.quarantine, keys.inversions])
    types: list[Callable[[], object]] = [
        lambda: client.set(key, "poison"),
        lambda: client.rpush(key, "poison"),
        lambda: client.sadd(key, "poison"),
        lambda: client.zadd(key, {"poison": 1}),
        lambda: client.hset(key, "poison", "1"),
    ]
    client.delete(key)
    dice.choice(types)()
