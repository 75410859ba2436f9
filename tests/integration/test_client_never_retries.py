"""A call whose answer was lost is not made again: nobody knows whether it ran, and popping twice loses tickets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from redis import Redis

from service.domain.errors import QueueUnavailable
from service.domain.model import Priority, QueuedTicket
from service.ticket_queue.client import make_client
from service.ticket_queue.keys import Keys
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.ports.queue import Popped
from tests.faults.proxy import Fault, Kind, Proxy, Way

TICKETS = [QueuedTicket(ticket_id, Priority.MEDIUM) for ticket_id in range(1, 11)]

CALLS: dict[str, tuple[bytes, Callable[[RedisTicketQueue], object]]] = {
    "claim": (b"EVALSHA", lambda queue: pop(queue)),
    "enqueue": (b"EVALSHA", lambda queue: queue.enqueue(TICKETS[:2])),
    "remove": (b"EVALSHA", lambda queue: queue.remove(TICKETS[:2])),
    "hold": (b"SADD", lambda queue: queue.hold(1, [1])),
    "unhold": (b"SREM", lambda queue: queue.unhold(1, [1])),
}


def pop(queue: RedisTicketQueue) -> Popped:
    return queue.claim(claim_id=uuid4(), agent_id=1, wanted=3, capacity=15, priorities=(Priority.MEDIUM,))


@pytest.fixture
def proxy(redis_url: str) -> Iterator[Proxy]:
    with Proxy(urlsplit(redis_url).port or 0) as between:
        yield between


@pytest.fixture
def distant(queue: RedisTicketQueue, keys: Keys, proxy: Proxy, redis_url: str) -> Iterator[RedisTicketQueue]:
    """The same queue, with ten tickets in it and its claim script known, seen through the proxy."""
    queue.enqueue(TICKETS)
    queue.probe()
    client = make_client(redis_url.replace(f":{urlsplit(redis_url).port}", f":{proxy.port}"), timeout_ms=300)
    subject = RedisTicketQueue(client, keys)
    assert subject.is_trusted(), "the way is open, and the connection made"
    yield subject
    client.close()


@pytest.mark.parametrize("hang", [True, False], ids=["silence", "goodbye"])
@pytest.mark.parametrize("name", CALLS)
def test_a_call_without_an_answer_is_made_once(
    distant: RedisTicketQueue, proxy: Proxy, name: str, *, hang: bool
) -> None:
    command, call = CALLS[name]
    lost = proxy.inject(Fault(kind=Kind.DROP_REPLY, way=Way.REQUEST, matching=command, hang=hang))
    with pytest.raises(QueueUnavailable):
        call(distant)
    assert lost.hits == 1


def test_a_lost_answer_to_a_claim_pops_once_and_stays_in_the_ledger(
    distant: RedisTicketQueue, proxy: Proxy, redis_client: Redis, keys: Keys
) -> None:
    proxy.inject(Fault(kind=Kind.DROP_REPLY, way=Way.REQUEST, matching=b"EVALSHA", times=1))
    with pytest.raises(QueueUnavailable):
        pop(distant)
    assert redis_client.lrange(keys.queue(Priority.MEDIUM), 0, 0) == ["4"]
    assert redis_client.zcard(keys.claims) == 1
    assert [ticket.id for ticket in pop(distant).tickets] == [4, 5, 6], "the next call is another call"
