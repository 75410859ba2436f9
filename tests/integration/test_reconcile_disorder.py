"""A queue in disorder misleads binary searches; one full run must put everything right all the same."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from redis import Redis
from sqlalchemy import Engine

from service.domain.model import Priority
from service.ticket_queue.keys import Keys
from service.ticket_queue.queue import RedisTicketQueue
from tests.integration.reconciling import World

MEDIUM = Priority.MEDIUM


@pytest.fixture
def world(engine: Engine, redis_client: Redis, keys: Keys, queue: RedisTicketQueue) -> World:
    return World(engine, redis_client, keys)


@pytest.mark.parametrize("entries", [["999", ""], ["", "999"], ["abc", "998", "-1", "999"], ["999", "998", ""]])
def test_a_phantom_beside_poison_goes_in_the_same_run(world: World, entries: list[str]) -> None:
    world.client.rpush(world.keys.queue(MEDIUM), *entries)
    run = world.full()
    phantoms = sum(entry.startswith("99") for entry in entries)
    assert run.repaired == {"poison": len(entries) - phantoms, "phantom": phantoms, "rebuilt": 1}
    assert world.entries() == []


@pytest.mark.parametrize("seed", range(8))
def test_a_shuffled_queue_with_everything_wrong_is_in_line_after_one_run(
    world: World, make_tickets: Callable[..., list[int]], make_agent: Callable[..., int], seed: int
) -> None:
    chance, ids, ann = random.Random(seed), make_tickets(60), make_agent()
    world.assign(ann, *ids[:3], hold=False)
    entries = [*map(str, ids[:50]), "abc", "", "-7", "4711", str(ids[20])]
    chance.shuffle(entries)
    world.client.delete(world.keys.queue(MEDIUM))
    world.client.rpush(world.keys.queue(MEDIUM), *entries)
    world.full()
    world.check_in_line()
    assert world.full().found == {}
