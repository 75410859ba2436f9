"""A call whose answer was lost is not made again: nobody knows whether it ran, and popping twice loses tickets."""

from __future__ import annotations

import socket
import socketserver
import threading
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

TICKETS = [QueuedTicket(ticket_id, Priority.MEDIUM) for ticket_id in range(1, 11)]

CALLS: dict[str, tuple[bytes, Callable[[RedisTicketQueue], object]]] = {
    "claim": (b"EVALSHA", lambda queue: pop(queue)),
    "enqueue": (b"EVALSHA", lambda queue: queue.enqueue(TICKETS[:2])),
    "remove": (b"EVALSHA", lambda queue: queue.remove(TICKETS[:2])),
    "move": (b"EXEC", lambda queue: queue.move(TICKETS[:1], [QueuedTicket(1, Priority.LOW)])),
    "hold": (b"SADD", lambda queue: queue.hold(1, [1])),
    "unhold": (b"SREM", lambda queue: queue.unhold(1, [1])),
}


def pop(queue: RedisTicketQueue) -> Popped:
    return queue.claim(claim_id=uuid4(), agent_id=1, wanted=3, capacity=15, priorities=(Priority.MEDIUM,))


class LosesAnswers(socketserver.ThreadingTCPServer):
    """Stand before the server; pass requests on, and lose the answers to those that contain `word`, `times` of them."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, target: tuple[str, int]) -> None:
        super().__init__(("127.0.0.1", 0), _Between)
        self.target = target
        self.word, self.times, self.says_goodbye = b"", 0, False
        self.lost = 0

    def lose(self, word: bytes, *, times: int = 1_000, says_goodbye: bool = False) -> None:
        self.word, self.times, self.says_goodbye = word, times, says_goodbye

    def takes(self, request: bytes) -> bool:
        taken = bool(self.word) and self.word in request and self.lost < self.times
        self.lost += taken
        return taken


class _Between(socketserver.BaseRequestHandler):
    """One connection: a request, its answer, and so on; each fits one read."""

    server: LosesAnswers

    def handle(self) -> None:
        client: socket.socket = self.request
        with socket.create_connection(self.server.target) as server:
            while request := client.recv(65_536):
                server.sendall(request)
                answer = server.recv(65_536)
                if not self.server.takes(request):
                    client.sendall(answer)
                elif self.server.says_goodbye:
                    return


@pytest.fixture
def proxy(redis_url: str) -> Iterator[LosesAnswers]:
    parsed = urlsplit(redis_url)
    with LosesAnswers((parsed.hostname or "", parsed.port or 0)) as between:
        thread = threading.Thread(target=between.serve_forever, args=(0.02,))
        thread.start()
        yield between
        between.shutdown()
        thread.join()


@pytest.fixture
def distant(queue: RedisTicketQueue, keys: Keys, proxy: LosesAnswers, redis_url: str) -> Iterator[RedisTicketQueue]:
    """The same queue, with ten tickets in it and its claim script known, seen through the proxy."""
    queue.enqueue(TICKETS)
    queue.probe()
    client = make_client(
        redis_url.replace(f":{urlsplit(redis_url).port}/", f":{proxy.server_address[1]}/"), timeout_ms=300
    )
    subject = RedisTicketQueue(client, keys)
    assert subject.is_trusted(), "the way is open, and the connection made"
    yield subject
    client.close()


@pytest.mark.parametrize("says_goodbye", [False, True], ids=["silence", "goodbye"])
@pytest.mark.parametrize("name", CALLS)
def test_a_call_without_an_answer_is_made_once(
    distant: RedisTicketQueue, proxy: LosesAnswers, name: str, *, says_goodbye: bool
) -> None:
    command, call = CALLS[name]
    proxy.lose(command, says_goodbye=says_goodbye)
    with pytest.raises(QueueUnavailable):
        call(distant)
    assert proxy.lost == 1


def test_a_lost_answer_to_a_claim_pops_once_and_stays_in_the_ledger(
    distant: RedisTicketQueue, proxy: LosesAnswers, redis_client: Redis, keys: Keys
) -> None:
    proxy.lose(b"EVALSHA", times=1)
    with pytest.raises(QueueUnavailable):
        pop(distant)
    assert redis_client.lrange(keys.queue(Priority.MEDIUM), 0, 0) == ["4"]
    assert redis_client.zcard(keys.claims) == 1
    assert [ticket.id for ticket in pop(distant).tickets] == [4, 5, 6], "the next call is another call"
