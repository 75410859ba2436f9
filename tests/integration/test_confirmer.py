"""Confirmation in batches, on a real server."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from redis import Redis

from scripts.waiting import wait_until
from service.domain.model import Priority, QueuedTicket
from service.ticket_queue.client import make_client
from service.ticket_queue.confirmer import ConfirmingTicketQueue
from service.ticket_queue.keys import Keys
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.ports.queue import Popped


@pytest.fixture
def confirming(queue: RedisTicketQueue, redis_client: Redis, keys: Keys) -> Iterator[ConfirmingTicketQueue]:
    queue.enqueue([QueuedTicket(ticket_id, Priority.MEDIUM) for ticket_id in range(1, 3_001)])
    made = ConfirmingTicketQueue(redis_client, keys)
    yield made
    made.close()


def claim(queue: RedisTicketQueue, agent: int) -> Popped:
    return queue.claim(claim_id=uuid4(), agent_id=agent, wanted=1, capacity=15, priorities=(Priority.MEDIUM,))


def test_settled_claims_leave_the_ledger_by_and_by(
    confirming: ConfirmingTicketQueue, redis_client: Redis, keys: Keys
) -> None:
    popped = [claim(confirming, agent) for agent in range(1, 1_201)]
    assert redis_client.zcard(keys.claims) == 1_200
    for claimed in popped[:-1]:
        confirming.settle(claimed)
    assert wait_until(lambda: redis_client.zcard(keys.claims) == 1, 10)
    assert redis_client.zrange(keys.claims, 0, -1) == [popped[-1].token]


def test_a_claim_whose_ids_went_back_is_settled_at_once(
    confirming: ConfirmingTicketQueue, redis_client: Redis, keys: Keys
) -> None:
    popped = claim(confirming, 1)
    confirming.settle(popped, forget=True)
    assert redis_client.zcard(keys.claims) == 0
    assert redis_client.exists(keys.reply(popped.claim_id)) == 0


def test_closing_leaves_nothing_unconfirmed(confirming: ConfirmingTicketQueue, redis_client: Redis, keys: Keys) -> None:
    for agent in range(1, 701):
        confirming.settle(claim(confirming, agent))
    confirming.close()
    assert redis_client.zcard(keys.claims) == 0
    confirming.settle(claim(confirming, 1_000))
    assert redis_client.zcard(keys.claims) == 0, "settled at once after closing"


def test_a_dead_server_costs_no_request(keys: Keys) -> None:
    queue = ConfirmingTicketQueue(make_client("redis://127.0.0.1:1/0", timeout_ms=100), keys)
    queue.settle(Popped(claim_id=uuid4(), agent_id=1, tickets=(), token="x"))
    queue.close()
