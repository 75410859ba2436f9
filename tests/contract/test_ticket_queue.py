"""What any ticket queue must do: the same suite on memory, on fakeredis and on a real server."""

from __future__ import annotations

import random
from collections.abc import Callable
from uuid import UUID, uuid4

import fakeredis
import pytest

from service.domain.model import Priority, QueuedTicket
from service.ticket_queue.keys import Keys
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.ports.queue import Popped, TicketQueue
from tests.fakes.queue import MemoryTicketQueue

MEDIUM = (Priority.MEDIUM,)
SENIOR = (Priority.HIGH, Priority.MEDIUM, Priority.LOW)


def fake_redis_queue() -> RedisTicketQueue:
    client = fakeredis.FakeRedis(decode_responses=True, server_type="valkey")
    keys = Keys("contract")
    client.set(keys.generation, "1")
    return RedisTicketQueue(client, keys)


@pytest.fixture(params=["memory", "fakeredis", "real"])
def queue(request: pytest.FixtureRequest) -> TicketQueue:
    match request.param:
        case "memory":
            return MemoryTicketQueue()
        case "fakeredis":
            return fake_redis_queue()
        case _:
            real = request.getfixturevalue("redis_client"), request.getfixturevalue("keys")
            real[0].set(real[1].generation, "1")
            return RedisTicketQueue(*real)


def tickets(*ids: int, priority: Priority = Priority.MEDIUM) -> list[QueuedTicket]:
    return [QueuedTicket(ticket_id, priority) for ticket_id in ids]


def claim(
    queue: TicketQueue,
    wanted: int = 15,
    *,
    agent: int = 1,
    capacity: int = 15,
    priorities: tuple[Priority, ...] = MEDIUM,
    claim_id: UUID | None = None,
) -> Popped:
    return queue.claim(
        claim_id=claim_id or uuid4(), agent_id=agent, wanted=wanted, capacity=capacity, priorities=priorities
    )


def ids(popped: Popped) -> list[int]:
    return [ticket.id for ticket in popped.tickets]


def drain(queue: TicketQueue, priorities: tuple[Priority, ...] = MEDIUM) -> list[int]:
    found: list[int] = []
    agent = 1_000
    while batch := ids(claim(queue, agent=(agent := agent + 1), priorities=priorities)):
        found += batch
    return found


def test_a_repeated_claim_gets_its_first_answer_and_one_that_is_not_to_be_repeated_pops_anew(
    queue: TicketQueue,
) -> None:
    queue.enqueue(tickets(*range(1, 9)))
    asked = {"agent_id": 1, "wanted": 2, "capacity": 15, "priorities": MEDIUM}
    once, named = uuid4(), uuid4()
    assert [ids(queue.claim(claim_id=once, repeatable=False, **asked)) for _ in range(2)] == [[1, 2], [3, 4]]  # type: ignore[arg-type]
    assert [ids(queue.claim(claim_id=named, **asked)) for _ in range(2)] == [[5, 6]] * 2  # type: ignore[arg-type]


def test_pops_in_creation_order_whatever_the_order_of_arrival(queue: TicketQueue) -> None:
    arrivals = list(range(1, 101))
    random.Random(7).shuffle(arrivals)
    for ticket_id in arrivals:
        assert queue.enqueue(tickets(ticket_id)) == 1
    assert drain(queue) == list(range(1, 101))


def test_orders_ids_of_different_lengths_by_value(queue: TicketQueue) -> None:
    values = [9, 10, 99, 100, 2**53, 2**53 + 1, 2**63 - 1]
    for ticket_id in (10, 2**63 - 1, 9, 2**53 + 1, 100, 99, 2**53):
        queue.enqueue(tickets(ticket_id))
    assert drain(queue) == values


def test_enqueues_an_id_once(queue: TicketQueue) -> None:
    assert queue.enqueue(tickets(1, 2, 3)) == 3
    assert queue.enqueue(tickets(3, 1, 2, 4)) == 1
    assert drain(queue) == [1, 2, 3, 4]


def test_a_returned_ticket_goes_back_to_its_place(queue: TicketQueue) -> None:
    queue.enqueue(tickets(*range(1, 31)))
    popped = claim(queue, 10)
    queue.settle(popped)
    queue.unhold(1, [4])
    queue.enqueue(tickets(4))
    assert ids(claim(queue, 2, agent=2)) == [4, 11]


def test_gives_no_more_than_fits(queue: TicketQueue) -> None:
    queue.enqueue(tickets(*range(1, 31)))
    first, second = claim(queue, 10), claim(queue, 10)
    assert (ids(first), ids(second)) == (list(range(1, 11)), list(range(11, 16)))
    third = claim(queue, 10)
    assert (first.short, second.short, third.short) == (0, 5, 10)
    assert ids(third) == []
    assert queue.depths()[Priority.MEDIUM] == 15


def test_a_smaller_capacity_counts(queue: TicketQueue) -> None:
    queue.enqueue(tickets(*range(1, 31)))
    assert ids(claim(queue, 15, capacity=3)) == [1, 2, 3]


def test_a_sale_frees_the_slot(queue: TicketQueue) -> None:
    queue.enqueue(tickets(*range(1, 31)))
    queue.settle(claim(queue))
    queue.unhold(1, [7])
    assert ids(claim(queue)) == [16]


def test_an_assignment_by_hand_takes_a_slot(queue: TicketQueue) -> None:
    queue.enqueue(tickets(1, 2, 3))
    queue.hold(1, range(100, 114))
    assert ids(claim(queue)) == [1]


def test_a_repeated_claim_pops_nothing_twice(queue: TicketQueue) -> None:
    queue.enqueue(tickets(*range(1, 31)))
    claim_id = uuid4()
    first = claim(queue, 5, claim_id=claim_id)
    again = claim(queue, 5, claim_id=claim_id)
    assert ids(first) == ids(again) == [1, 2, 3, 4, 5]
    assert queue.depths()[Priority.MEDIUM] == 25


def test_a_claim_that_was_forgotten_pops_anew(queue: TicketQueue) -> None:
    queue.enqueue(tickets(*range(1, 31)))
    kept, forgotten = claim(queue, 2), claim(queue, 2)
    queue.settle(kept)
    queue.settle(forgotten, forget=True)
    assert queue.hand(1).claims == ()
    assert ids(claim(queue, 2, claim_id=kept.claim_id)) == [1, 2]
    assert ids(claim(queue, 2, claim_id=forgotten.claim_id)) == [5, 6]


def test_a_claim_in_flight_is_not_settled_yet(queue: TicketQueue) -> None:
    queue.enqueue(tickets(*range(1, 31)))
    queue.hold(1, [100])
    first, _other = claim(queue, 2), claim(queue, 2, agent=11)
    assert queue.hand(1).settled == {100}
    queue.settle(first)
    assert queue.hand(1).settled == {1, 2, 100}


def test_an_agents_own_claims_in_flight_are_listed(queue: TicketQueue) -> None:
    queue.enqueue(tickets(*range(1, 31)))
    first, _other, second = claim(queue, 2), claim(queue, 2, agent=11), claim(queue, 1)
    listed = queue.hand(1).claims
    assert {(each.claim_id, each.agent_id, each.tickets, each.token) for each in listed} == {
        (popped.claim_id, 1, popped.tickets, popped.token) for popped in (first, second)
    }
    assert all(0 <= each.age_s < 60 for each in listed)


def test_priorities_are_served_in_the_order_asked(queue: TicketQueue) -> None:
    queue.enqueue(tickets(5, 6, priority=Priority.LOW) + tickets(3, 4) + tickets(7, 8, priority=Priority.HIGH))
    popped = claim(queue, 5, priorities=SENIOR)
    assert [(ticket.id, ticket.priority.value) for ticket in popped.tickets] == [
        (7, "high"),
        (8, "high"),
        (3, "medium"),
        (4, "medium"),
        (5, "low"),
    ]
    assert ids(claim(queue, priorities=(Priority.LOW, Priority.MEDIUM))) == [6]


def test_an_empty_queue_gives_nothing(queue: TicketQueue) -> None:
    popped = claim(queue)
    assert (popped.tickets, popped.trusted, popped.short) == ((), True, 0)


def test_a_ticket_moves_to_its_place_in_another_queue(queue: TicketQueue) -> None:
    queue.enqueue([*tickets(1, 2, 3), *tickets(4, 6, priority=Priority.HIGH)])
    queue.move(tickets(2), tickets(2, priority=Priority.HIGH))
    queue.move(tickets(6, priority=Priority.HIGH), tickets(6, priority=Priority.LOW))
    queue.move(tickets(9), tickets(9, priority=Priority.LOW))
    popped = queue.claim(claim_id=uuid4(), agent_id=1, wanted=9, capacity=15, priorities=tuple(Priority))
    assert [(ticket.priority, ticket.id) for ticket in popped.tickets] == [
        (Priority.HIGH, 2), (Priority.HIGH, 4),
        (Priority.MEDIUM, 1), (Priority.MEDIUM, 3),
        (Priority.LOW, 6), (Priority.LOW, 9),
    ]  # fmt: skip


def test_removes_ids_at_either_end(queue: TicketQueue) -> None:
    queue.enqueue(tickets(*range(1, 21)))
    assert queue.remove(tickets(1, 3, 20, 21)) == 3
    assert drain(queue) == [2, *range(4, 20)]


def test_a_probe_takes_nothing(queue: TicketQueue) -> None:
    queue.enqueue(tickets(1))
    queue.probe()
    assert drain(queue) == [1]


@pytest.mark.parametrize("make", [lambda: MemoryTicketQueue(trusted=False)])
def test_an_untrusted_queue_neither_gives_nor_takes(make: Callable[[], TicketQueue]) -> None:
    queue = make()
    assert queue.enqueue(tickets(1)) == 0
    assert not claim(queue).trusted
