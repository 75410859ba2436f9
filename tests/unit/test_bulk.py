"""Many tickets at once, without stores: what is left alone."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from service.domain.errors import FairdealError, InvalidInput, StaleEpoch, StoreUnavailable
from service.domain.model import Priority, QueuedTicket
from service.usecases.assignments import Assignments
from service.usecases.bulk import Assignment, Bulk, Seen
from service.usecases.lifecycle import TOGETHER, Lifecycle
from service.usecases.ports.tickets import Move, Moved
from tests.unit.api.fakes import a_ticket, an_agent


def test_a_dry_run_of_a_return_tells_the_queue_nothing() -> None:
    class Hands:
        def agent(self, agent_id: int) -> Any:
            return an_agent(agent_id)

        def return_all(self, _agent_id: int, *, dry_run: bool, **_: Any) -> list[QueuedTicket]:
            assert dry_run
            return [QueuedTicket(7, Priority.LOW), QueuedTicket(9, Priority.HIGH)]

    silent: Any = SimpleNamespace()
    assignments = Assignments(store=Hands(), queue=silent, places=silent)  # type: ignore[arg-type]
    assert assignments.return_all(2, actor_id=None, dry_run=True) == [7, 9]


class Store:
    """Moves tickets of epoch 3 alone, notes what shared a transaction, and is away for those that it is told."""

    def __init__(self, *, away_at: int = 0) -> None:
        self.together: list[list[int]] = []
        self.away_at = away_at

    def move_all(self, wanted: Sequence[Move]) -> list[Moved | FairdealError]:
        if len(self.together) + 1 == self.away_at:
            raise StoreUnavailable("PostgreSQL did not answer")
        self.together.append([move.ticket_id for move in wanted])
        return [self._moved(move) for move in wanted]

    def _moved(self, move: Move) -> Moved | FairdealError:
        if move.expected_epoch not in {None, 3}:
            return StaleEpoch("It has changed hands")
        same = a_ticket(move.ticket_id, agent_id=move.to_agent_id)
        return Moved(before=same, after=same)

    def delete(self, ticket_id: int, *, actor_id: int | None, expected_epoch: int | None) -> None:
        if expected_epoch not in {None, 3}:
            raise StaleEpoch("It has changed hands")
        self.together.append([ticket_id])


def a_bulk(store: Any) -> Bulk:
    nothing: Any = None
    return Bulk(store=store, lifecycle=Lifecycle(store=store, queue=nothing, places=nothing), tickets=store)


def test_several_tickets_share_a_transaction_and_are_answered_in_the_order_asked() -> None:
    store = Store()
    results = a_bulk(store).assign([Assignment(9, 2), Assignment(8, 3, epoch=1), Assignment(7, 4)], actor_id=1)
    assert [(result.ticket_id, result.ticket and result.ticket.agent_id) for result in results] == [
        (9, 2),
        (8, None),
        (7, 4),
    ]
    assert isinstance(results[1].error, StaleEpoch)
    assert store.together == [[9, 8, 7]]


def test_a_ticket_asked_for_twice_is_moved_twice_and_many_make_several_transactions() -> None:
    store = Store()
    asked = [5, 5, *range(100, 100 + TOGETHER)]
    assert [result.ticket_id for result in a_bulk(store).put_back([Seen(n) for n in asked], actor_id=1)] == asked
    assert store.together == [[5, *range(100, 99 + TOGETHER)], [5, 99 + TOGETHER]]


def test_postgresql_going_away_on_the_way_is_told_of_each_that_is_left() -> None:
    store = Store(away_at=2)
    results = a_bulk(store).put_back([Seen(5), Seen(6), Seen(5)], actor_id=1)
    assert [result.error and result.error.code for result in results] == [None, None, "store_unavailable"]


def test_postgresql_being_away_from_the_start_is_told_at_once() -> None:
    with pytest.raises(StoreUnavailable):
        a_bulk(Store(away_at=1)).put_back([Seen(5), Seen(6)], actor_id=1)


@pytest.mark.parametrize("act", ["put_back", "reopen", "delete"])
def test_what_is_in_other_hands_than_it_was_seen_in_is_left_alone(act: str) -> None:
    results = getattr(a_bulk(Store()), act)([Seen(7, 3), Seen(8, 2), Seen(9)], actor_id=1)
    assert [type(result.error) for result in results] == [type(None), StaleEpoch, type(None)]


@pytest.mark.parametrize("act", ["put_back", "reopen"])
def test_a_bad_reason_is_refused_before_anything_is_done(act: str) -> None:
    store = Store()
    with pytest.raises(InvalidInput) as refused:
        getattr(a_bulk(store), act)([Seen(7)], actor_id=1, reason="x" * 1_001)
    assert refused.value.facts["errors"][0]["field"] == "reason"
    assert store.together == []
