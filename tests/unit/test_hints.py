"""What whoever changed a ticket tells the queue, and what they do about what they see when they look again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from service.domain.errors import StoreUnavailable
from service.domain.model import InHand, InQueue, Place, Priority, QueuedTicket, Ticket, TicketStatus
from service.usecases.hints import LOOKS, follow, not_dealt, not_held, opened
from tests.fakes.places import KnownPlaces
from tests.fakes.queue import MemoryTicketQueue

ANN, BOB, MEDIUM = 1, 2, Priority.MEDIUM
NOW = datetime(2026, 11, 21, tzinfo=UTC)
OPEN = Ticket(
    id=7, subject="x", description="", priority=MEDIUM, status=TicketStatus.OPEN, agent_id=None, created_by=None,
    customer_id=None, epoch=0, created_at=NOW, updated_at=NOW, assigned_at=None, resolved_at=None, sold_at=None,
)  # fmt: skip
ANNS = OPEN._replace(status=TicketStatus.ASSIGNED, agent_id=ANN)


class RestlessPlaces(KnownPlaces):
    """Say something else at every look."""

    def __init__(self, *said: Place) -> None:
        super().__init__()
        self._said = iter(said)

    def places(self, ids: Sequence[int]) -> dict[int, Place]:
        self.looks.append(list(ids))
        return dict.fromkeys(ids, next(self._said))


class SilentPlaces(KnownPlaces):
    def places(self, ids: Sequence[int]) -> dict[int, Place]:
        raise StoreUnavailable("gone")


@pytest.fixture
def queue() -> MemoryTicketQueue:
    return MemoryTicketQueue()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (ANNS, ANNS._replace(status=TicketStatus.IN_PROGRESS)),
        (ANNS, ANNS._replace(priority=Priority.HIGH)),
        (OPEN, OPEN._replace(subject="y")),
        (ANNS._replace(status=TicketStatus.RESOLVED), ANNS._replace(status=TicketStatus.CLOSED)),
    ],
)
def test_a_ticket_that_stays_in_its_place_costs_nothing(
    queue: MemoryTicketQueue, before: Ticket, after: Ticket
) -> None:
    places = KnownPlaces()
    follow(queue, places, [(before, after)])
    assert (queue.calls, places.looks) == ([], [])


@pytest.mark.parametrize("after", [ANNS._replace(status=TicketStatus.SOLD), None])
def test_what_is_sold_or_deleted_needs_no_second_look(queue: MemoryTicketQueue, after: Ticket | None) -> None:
    queue.held[ANN] = {7, 8}
    places = KnownPlaces()
    follow(queue, places, [(ANNS, after)])
    assert (queue.held[ANN], places.looks) == ({8}, [])


def test_what_is_resolved_is_looked_at_for_it_may_be_taken_up_again(queue: MemoryTicketQueue) -> None:
    queue.held[ANN] = {7}
    places = RestlessPlaces(InHand(ANN), InHand(ANN))
    follow(queue, places, [(ANNS, ANNS._replace(status=TicketStatus.RESOLVED))])
    assert queue.held[ANN] == {7}
    assert places.looks == [[7], [7]]


def test_a_ticket_is_followed_from_hint_to_hint_until_it_is_found_where_it_was_said_to_be(
    queue: MemoryTicketQueue,
) -> None:
    places = RestlessPlaces(InHand(ANN), InHand(BOB), InHand(BOB))
    opened(queue, places, [QueuedTicket(7, MEDIUM)])
    assert queue.lists[MEDIUM] == []
    assert (queue.held[ANN], queue.held[BOB]) == (set(), {7})


def test_looking_again_comes_to_an_end(queue: MemoryTicketQueue) -> None:
    places = RestlessPlaces(*[InHand(ANN), InQueue(MEDIUM)] * LOOKS)
    opened(queue, places, [QueuedTicket(7, MEDIUM)])
    assert len(places.looks) == LOOKS


def test_many_that_are_still_queued_are_asked_about_and_not_read(queue: MemoryTicketQueue) -> None:
    tickets = [QueuedTicket(n, Priority.HIGH if n % 2 else MEDIUM) for n in range(1, 2_502)]
    places = KnownPlaces(tickets)
    opened(queue, places, tickets)
    assert (places.looks, places.questions) == ([], 2)
    assert queue.calls == ["enqueue"]


def test_many_of_which_one_has_moved_are_looked_at_a_thousand_at_a_time(queue: MemoryTicketQueue) -> None:
    tickets = [QueuedTicket(n, MEDIUM) for n in range(1, 2_502)]
    places = KnownPlaces(tickets)
    del places.known[2_400]
    opened(queue, places, tickets)
    assert [len(look) for look in places.looks[:3]] == [1_000, 1_000, 501]
    assert places.looks[3] == [2_400]
    assert queue.calls == ["enqueue", "remove"]


def test_only_what_has_moved_is_looked_at_once_more(queue: MemoryTicketQueue) -> None:
    tickets = [QueuedTicket(n, MEDIUM) for n in range(1, 6)]
    places = KnownPlaces(tickets)
    places.known[3] = InHand(ANN)
    opened(queue, places, tickets)
    assert places.looks == [[1, 2, 3, 4, 5], [3]]


def test_a_store_that_is_away_fails_nobody_after_the_commit(queue: MemoryTicketQueue) -> None:
    opened(queue, SilentPlaces(), [QueuedTicket(7, MEDIUM)], held_by=ANN)
    assert queue.lists[MEDIUM] == [7]
    assert not not_dealt(queue, SilentPlaces(), ANN, [8])


def test_a_queue_that_is_away_is_not_certain_either(queue: MemoryTicketQueue) -> None:
    queue.is_down = True
    assert not not_dealt(queue, KnownPlaces([QueuedTicket(7, MEDIUM)]), ANN, [7])


def test_what_was_not_dealt_goes_where_it_is(queue: MemoryTicketQueue) -> None:
    queue.held[ANN] = {1, 2, 3, 4}
    places = KnownPlaces([QueuedTicket(1, Priority.LOW)])
    places.known |= {2: InHand(ANN), 3: InHand(BOB)}
    assert not_dealt(queue, places, ANN, [1, 2, 3, 4])
    assert queue.held[ANN] == {2}
    assert queue.lists[Priority.LOW] == [1]


def test_what_came_into_the_hand_meanwhile_is_put_back(queue: MemoryTicketQueue) -> None:
    queue.held[ANN] = {1, 2}
    places = KnownPlaces()
    places.known[2] = InHand(ANN)
    not_held(queue, places, ANN, [1, 2])
    assert queue.held[ANN] == {2}
