"""Many tickets at once, without stores: what is left alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from service.domain.errors import InvalidInput, StaleEpoch, StoreUnavailable
from service.domain.model import Priority, QueuedTicket
from service.usecases.assignments import Assignments
from service.usecases.bulk import Assignment, Bulk, Seen
from tests.unit.api.fakes import a_ticket, an_agent


def test_a_dry_run_of_a_return_tells_the_queue_nothing() -> None:
    class Store:
        def agent(self, agent_id: int) -> Any:
            return an_agent(agent_id)

        def return_all(self, _agent_id: int, *, dry_run: bool, **_: Any) -> list[QueuedTicket]:
            assert dry_run
            return [QueuedTicket(7, Priority.LOW), QueuedTicket(9, Priority.HIGH)]

    silent: Any = SimpleNamespace()
    assignments = Assignments(store=Store(), queue=silent, places=silent)  # type: ignore[arg-type]
    assert assignments.return_all(2, actor_id=None, dry_run=True) == [7, 9]


def test_one_that_fails_keeps_no_other_back() -> None:
    class Lifecycle:
        def assign(self, ticket_id: int, *, agent_id: int, actor_id: int | None, expected_epoch: int | None) -> Any:
            assert (actor_id, expected_epoch) == (1, None)
            if ticket_id == 8:
                raise StoreUnavailable("PostgreSQL did not answer")
            return a_ticket(ticket_id, agent_id=agent_id)

    nothing: Any = None
    bulk = Bulk(store=nothing, lifecycle=Lifecycle(), tickets=nothing)  # type: ignore[arg-type]
    results = bulk.assign([Assignment(9, 2), Assignment(8, 3), Assignment(7, 4)], actor_id=1)
    assert [(result.ticket_id, result.ticket and result.ticket.agent_id) for result in results] == [
        (9, 2),
        (8, None),
        (7, 4),
    ]
    assert isinstance(results[1].error, StoreUnavailable)


class Guarded:
    """Acts on tickets of epoch 3 alone, and notes them."""

    def __init__(self) -> None:
        self.done: list[int] = []

    def act(self, ticket_id: int, *, actor_id: int | None, expected_epoch: int | None, reason: str = "") -> Any:
        if expected_epoch not in {None, 3}:
            raise StaleEpoch("It has changed hands")
        self.done.append(ticket_id)
        return a_ticket(ticket_id)

    return_one = reopen = delete = act


@pytest.mark.parametrize("act", ["put_back", "reopen", "delete"])
def test_what_is_in_other_hands_than_it_was_seen_in_is_left_alone(act: str) -> None:
    guarded: Any = Guarded()
    bulk = Bulk(store=guarded, lifecycle=guarded, tickets=guarded)
    results = getattr(bulk, act)([Seen(7, 3), Seen(8, 2), Seen(9)], actor_id=1)
    assert guarded.done == [7, 9]
    assert [type(result.error) for result in results] == [type(None), StaleEpoch, type(None)]


@pytest.mark.parametrize("act", ["put_back", "reopen"])
def test_a_bad_reason_is_refused_before_anything_is_done(act: str) -> None:
    guarded: Any = Guarded()
    bulk = Bulk(store=guarded, lifecycle=guarded, tickets=guarded)
    with pytest.raises(InvalidInput) as refused:
        getattr(bulk, act)([Seen(7)], actor_id=1, reason="x" * 1_001)
    assert refused.value.facts["errors"][0]["field"] == "reason"
    assert guarded.done == []
