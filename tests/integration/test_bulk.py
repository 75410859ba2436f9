"""Reassigning a hand while it changes: a ticket that went elsewhere stays there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine

from service.bootstrap import Container
from service.domain.model import Ticket
from service.store.assignments import PostgresAssignments
from service.usecases.bulk import Bulk


class Overtaken(PostgresAssignments):
    """Let something happen right after the hand was read."""

    def __init__(self, engine: Engine, then: Callable[[list[Ticket]], object]) -> None:
        super().__init__(engine)
        self._then = then

    def hand(self, agent_id: int) -> list[Ticket]:
        found = super().hand(agent_id)
        self._then(found)
        return found


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_ticket_that_changes_hands_meanwhile_is_left_where_it_is(
    container: Container, engine: Engine, make_agent: Any, make_tickets: Any, dry_run: bool
) -> None:
    ann, bob, cleo = (make_agent(name) for name in ("ann", "bob", "cleo"))
    make_tickets(3)
    container.assignments.fetch(ann)

    def overtake(hand: list[Ticket]) -> None:
        container.lifecycle.assign(hand[0].id, agent_id=cleo, actor_id=None)
        container.lifecycle.release(ann, hand[1].id, reason="lunch")

    bulk = Bulk(store=Overtaken(engine, overtake), lifecycle=container.lifecycle, tickets=container.tickets)
    results = bulk.reassign_all(ann, to_agent_id=bob, actor_id=None, dry_run=dry_run)
    assert [result.error and result.error.code for result in results] == ["stale_epoch", "stale_epoch", None]
    assert [len(container.assignments.held(agent).tickets) for agent in (ann, bob, cleo)] == (
        [1, 0, 1] if dry_run else [0, 1, 1]
    )
