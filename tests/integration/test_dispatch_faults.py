"""Dispatch struck at every command to Redis and every call of a store: nothing is lost, nothing given twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest
from redis import Redis
from sqlalchemy import Engine, text

from service.domain.errors import FairdealError
from service.domain.model import Level, Priority
from service.ticket_queue.keys import Keys
from service.usecases.invariants import all_hold
from service.usecases.ports.dispatch import Ended
from service.usecases.ports.reconcile import RunStatus, Tier
from service.usecases.ports.tickets import TicketDraft
from tests.integration.desk import as_decided, as_hinted
from tests.property.failpoints import Crash, Fault, Side, Strike
from tests.property.model import AgentState
from tests.property.world import World

MOST_CALLS = 60
"""More than a run of this size makes."""

GIVEN = text("SELECT ticket_id FROM ticket_events WHERE cause = 'dispatch' ORDER BY ticket_id")


@pytest.fixture
def world(engine: Engine, redis_client: Redis, redis_url: str, keys: Keys) -> Iterator[World]:
    made = World(engine, redis_url, keys)
    yield made
    made.close()


def open_the_desk(world: World) -> list[int]:
    """Make a senior and a junior with room for eight of nine tickets."""
    world.empty()
    world.hire("sue", AgentState(level=Level.SENIOR, capacity=3))
    world.hire("jim", AgentState(level=Level.JUNIOR, capacity=5))
    world.sql("UPDATE agents SET auto_assign = true")
    drafts = [TicketDraft(subject="Printer on fire", priority=list(Priority)[n % 3]) for n in range(9)]
    return [ticket.id for ticket in world.tickets.create_many(drafts, actor_id=None)]


def strike(world: World, fault: Fault) -> bool:
    """Dispatch under a fault, and say whether it struck."""
    with world.failpoints.during(fault), suppress(FairdealError, Crash):
        world.dispatcher.run(trigger="test")
    return world.failpoints.struck


def recover(world: World) -> None:
    """Let time pass, the reconciler come by, and dispatch run once more."""
    world.age_claims()
    world.expire_leases()
    world.clock.sleep(3_600)
    assert world.reconciler.run(tier=Tier.FULL, trigger="test").status is RunStatus.DONE
    assert world.dispatcher.run(trigger="test").ended is Ended.NOBODY


@pytest.mark.parametrize("kind", Strike)
@pytest.mark.parametrize("side", Side)
def test_whatever_breaks_each_ticket_is_given_once_in_the_end(world: World, side: Side, kind: Strike) -> None:
    struck = 0
    for at in range(1, MOST_CALLS):
        tickets = open_the_desk(world)
        if not strike(world, Fault(side=side, strike=kind, at=at)):
            break
        struck += 1
        recover(world)
        decided = as_decided(world.engine)
        assert sorted(map(len, decided[1].values())) == [3, 5], at
        assert as_hinted(world.redis, world.keys) == decided, at
        with world.engine.connect() as connection:
            given = list(connection.execute(GIVEN).scalars())
        assert given == sorted(n for hand in decided[1].values() for n in hand), at
        assert set(given) | {n for queued in decided[0].values() for n in queued} == set(tickets), at
        assert all_hold(world.invariants.check(at_rest=True)), at
    assert 3 < struck < MOST_CALLS - 1, "every call was struck once"
