"""A ticket of another priority changes queues in one step, and stands where its age puts it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice

from redis import Redis
from sqlalchemy import Engine

from service.domain.model import Priority
from service.ticket_queue.keys import Keys
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.ports.tickets import TicketChanges
from tests.integration.desk import Desk, as_decided, as_hinted

CHANGES = 300


def test_at_no_instant_is_the_ticket_in_no_queue_or_in_two(
    engine: Engine,
    queue: RedisTicketQueue,
    redis_client: Redis,
    keys: Keys,
    make_tickets: Callable[..., list[int]],
) -> None:
    desk, ids = Desk(engine, queue), make_tickets(40)
    others = [str(ticket_id) for ticket_id in ids]
    done = threading.Event()

    def look() -> set[tuple[str, ...]]:
        seen = set()
        while not done.is_set():
            with redis_client.pipeline(transaction=True) as pipeline:
                for priority in Priority:
                    pipeline.lrange(keys.queue(priority), 0, -1)
                seen.add(tuple(sorted((entry for entries in pipeline.execute() for entry in entries), key=int)))
        return seen

    with ThreadPoolExecutor(3) as pool:
        looking = [pool.submit(look) for _ in range(3)]
        for priority in islice(cycle(Priority), CHANGES):
            desk.tickets.update(ids[20], TicketChanges(priority=priority), actor_id=None)
        done.set()
        assert set().union(*(each.result() for each in looking)) == {tuple(others)}
    assert as_hinted(redis_client, keys) == as_decided(engine)
