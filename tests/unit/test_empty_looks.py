"""A look that found nothing speaks for the fetches that had begun by then, and for no other."""

from __future__ import annotations

import time
from typing import Any
from uuid import uuid4

import pytest

from service.domain.model import Availability, Level, Priority, QueuedTicket, Taker
from service.usecases.dealing import Dealer, Wanted
from service.usecases.empty_looks import EmptyLooks
from service.usecases.ports.tickets import Claimed
from tests.fakes.places import KnownPlaces
from tests.fakes.queue import MemoryTicketQueue


def taker(number: int, level: Level = Level.JUNIOR) -> Taker:
    return Taker(id=number, level=level, availability=Availability.AVAILABLE, is_active=True, capacity=15, held=0)


ANN, BOB, SUE = taker(1), taker(2), taker(3, Level.SENIOR)
WANTED = Wanted(count=5)


class AllDealt:
    """An arbiter that agrees to everything."""

    def claim(self, *, popped: tuple[QueuedTicket, ...], **_: Any) -> Claimed:
        return Claimed(assigned=popped)


@pytest.fixture
def queue() -> MemoryTicketQueue:
    return MemoryTicketQueue()


@pytest.fixture
def dealer(queue: MemoryTicketQueue) -> Dealer:
    return Dealer(store=AllDealt(), queue=queue, places=KnownPlaces())  # type: ignore[arg-type]


def looks(queue: MemoryTicketQueue) -> int:
    return queue.calls.count("claim")


def test_a_fetch_under_way_before_another_looked_need_not_look(dealer: Dealer, queue: MemoryTicketQueue) -> None:
    began = time.monotonic()
    dealer.deal(BOB, WANTED)
    dealt = dealer.deal(ANN, WANTED, asked_at=began)
    assert (dealt.ticket_ids, dealt.served_by, dealt.found_nothing) == ((), "queue", True)
    assert looks(queue) == 1


def test_a_fetch_that_begins_later_finds_what_was_queued_meanwhile(dealer: Dealer, queue: MemoryTicketQueue) -> None:
    dealer.deal(BOB, WANTED)
    queue.enqueue([QueuedTicket(7, Priority.LOW)])
    assert dealer.deal(ANN, WANTED, asked_at=time.monotonic()).ticket_ids == (7,)


def test_whoever_does_not_say_when_they_began_looks(dealer: Dealer, queue: MemoryTicketQueue) -> None:
    dealer.deal(BOB, WANTED)
    dealer.deal(ANN, WANTED)
    assert looks(queue) == 2


def test_a_fetch_with_a_name_looks(dealer: Dealer, queue: MemoryTicketQueue) -> None:
    began = time.monotonic()
    dealer.deal(BOB, WANTED)
    dealer.deal(ANN, WANTED, asked_at=began, operation_id=uuid4())
    assert looks(queue) == 2


def test_a_look_speaks_for_its_level_alone(dealer: Dealer, queue: MemoryTicketQueue) -> None:
    began = time.monotonic()
    dealer.deal(BOB, WANTED)
    dealer.deal(SUE, WANTED, asked_at=began)
    assert looks(queue) == 2


@pytest.mark.parametrize("why", ["something was found", "the held set is full", "no more than some were wanted"])
def test_a_look_that_says_nothing_of_the_queue_speaks_for_nobody(
    dealer: Dealer, queue: MemoryTicketQueue, why: str
) -> None:
    began, wanted = time.monotonic(), WANTED
    if why == "something was found":
        queue.enqueue([QueuedTicket(7, Priority.LOW)])
    if why == "the held set is full":
        queue.held[BOB.id] = set(range(100, 115))
    if why == "no more than some were wanted":
        wanted = Wanted(count=5, limits={Priority.LOW: 0})
        queue.enqueue([QueuedTicket(7, Priority.LOW)])
    dealer._pop(BOB, wanted, uuid4(), [], repeatable=False)
    queue.enqueue([QueuedTicket(8, Priority.LOW)])
    assert dealer.deal(ANN, WANTED, asked_at=began).ticket_ids


def test_an_older_look_answered_later_does_not_take_the_place_of_a_newer_one() -> None:
    empty = EmptyLooks()
    assert not empty.one_since(Level.JUNIOR, 0.0)
    empty.note(Level.JUNIOR, 12.0)
    empty.note(Level.JUNIOR, 10.0)
    assert empty.one_since(Level.JUNIOR, 12.0)
    assert not empty.one_since(Level.JUNIOR, 12.1)
