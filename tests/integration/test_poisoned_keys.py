"""Keys that hold what they should not: a claim serves all the same, or pops nothing at all. No id falls in between."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from uuid import uuid4

import pytest
from redis import Redis
from sqlalchemy import Engine

from service.domain.errors import QueueUnavailable
from service.domain.model import Priority
from service.ticket_queue.keys import Keys
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.ports.reconcile import RunStatus
from tests.integration.reconciling import World

AGENT = 7
MakeTickets = Callable[..., list[int]]

WRONG_TYPES: dict[str, Callable[[Redis, str], object]] = {
    "string": lambda client, key: client.set(key, "poison"),
    "number": lambda client, key: client.set(key, 12),
    "list": lambda client, key: client.rpush(key, "poison"),
    "set": lambda client, key: client.sadd(key, "poison"),
    "zset": lambda client, key: client.zadd(key, {"poison": 1}),
    "hash": lambda client, key: client.hset(key, "poison", "1"),
    "stream": lambda client, key: client.xadd(key, {"poison": "1"}),
}
OTHER_KEYS: dict[str, Callable[[Keys], str]] = {
    "generation": lambda keys: keys.generation,
    "held": lambda keys: keys.held(AGENT),
    "claims": lambda keys: keys.claims,
    "quarantine": lambda keys: keys.quarantine,
    "inversions": lambda keys: keys.inversions,
    "high queue": lambda keys: keys.queue(Priority.HIGH),
}
ENTRIES = (
    "poison",
    "",
    "-3",
    "4.5",
    "007",
    "1e3",
    "0x10",
    "9223372036854775808",
    "99999999999999999999",
    " 5",
    "5\n",
    "\x00",
    "٣",
)


def _claim(queue: RedisTicketQueue, *priorities: Priority) -> set[int]:
    popped = queue.claim(claim_id=uuid4(), agent_id=AGENT, wanted=5, capacity=15, priorities=priorities)
    return {ticket.id for ticket in popped.tickets}


@pytest.mark.parametrize("type_name", WRONG_TYPES)
@pytest.mark.parametrize("key_name", OTHER_KEYS)
def test_a_key_of_a_wrong_type_loses_no_id(
    redis_client: Redis, keys: Keys, queue: RedisTicketQueue, make_tickets: MakeTickets, key_name: str, type_name: str
) -> None:
    ids = make_tickets(12)
    # Poison that is quarantined, and an order that is counted as inverted: both write to more keys.
    redis_client.lpush(keys.queue(Priority.MEDIUM), "poison", ids[9])
    key = OTHER_KEYS[key_name](keys)
    redis_client.delete(key)
    WRONG_TYPES[type_name](redis_client, key)
    claimed: set[int] = set()
    with suppress(QueueUnavailable):
        claimed = _claim(queue, Priority.HIGH, Priority.MEDIUM)
    left = {int(entry) for entry in redis_client.lrange(keys.queue(Priority.MEDIUM), 0, -1) if entry != "poison"}
    assert claimed | left == set(ids)
    if claimed:
        assert {str(ticket_id) for ticket_id in claimed} <= redis_client.smembers(keys.held(AGENT))
        assert redis_client.zcard(keys.claims) >= 1


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_entry_that_is_no_id_is_dealt_to_nobody(
    redis_client: Redis, keys: Keys, queue: RedisTicketQueue, make_tickets: MakeTickets, entry: str
) -> None:
    ids = make_tickets(12)
    redis_client.lpush(keys.queue(Priority.MEDIUM), entry)
    assert _claim(queue, Priority.MEDIUM) == set(ids[:5])
    assert redis_client.lrange(keys.quarantine, 0, -1) == [entry]


@pytest.mark.parametrize("value", ["poison", "", "-1.5", "9" * 40])
def test_a_counter_that_is_no_number_counts_from_nothing(
    redis_client: Redis, keys: Keys, queue: RedisTicketQueue, make_tickets: MakeTickets, value: str
) -> None:
    ids = make_tickets(12)
    redis_client.lpush(keys.queue(Priority.MEDIUM), ids[9])
    redis_client.set(keys.inversions, value)
    assert queue.inversions() == 0
    assert _claim(queue, Priority.MEDIUM) == {ids[9], *ids[:4]}
    assert queue.inversions() == 5, "four dealt after a newer one, and one left behind"


@pytest.mark.parametrize("agent", ["99999999999999999999", "9223372036854775808", "-1", "007", "", "poison", "4.5"])
def test_an_agent_who_cannot_be_keeps_no_run_from_its_work(
    engine: Engine, redis_client: Redis, keys: Keys, queue: RedisTicketQueue, make_tickets: MakeTickets, agent: str
) -> None:
    """PostgreSQL cannot even be asked about such an id, so nobody may try."""
    ids = make_tickets(12)
    redis_client.lrem(keys.queue(Priority.MEDIUM), 1, ids[4])
    redis_client.zadd(keys.claims, {f"{uuid4()}|{agent}|m{ids[2]}": 1})
    redis_client.sadd(keys.held(0).removesuffix("0") + agent, ids[2])
    world = World(engine, redis_client, keys)
    assert world.fast().status is RunStatus.DONE
    assert world.full().status is RunStatus.DONE
    assert redis_client.zcard(keys.claims) == 0
    assert world.queued() == ids
