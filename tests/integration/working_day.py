"""What the tests of the invariants share: a day's work, a checker, and how to read its answer."""

from __future__ import annotations

from collections.abc import Callable

from redis import Redis
from sqlalchemy import Engine

from service.bootstrap import Container
from service.domain.model import Priority
from service.store.invariants import PostgresInvariants
from service.store.open_tickets import PostgresOpenTickets
from service.ticket_queue.audit import RedisQueueAudit
from service.ticket_queue.keys import Keys
from service.usecases.invariants import InvariantResult, Invariants
from service.usecases.ports.tickets import Buyer, TicketChanges, TicketDraft
from tests.fakes.clock import FakeClock

BUYER = Buyer(name="Priya", email="priya@example.com")


def checker(engine: Engine, client: Redis, keys: Keys, clock: FakeClock) -> Invariants:
    """Wire the invariants with pages so small that there are several."""
    return Invariants(
        store=PostgresInvariants(engine, page_size=7),
        open_tickets=PostgresOpenTickets(engine),
        audit=RedisQueueAudit(client, keys),
        lease_s=12,
        tick_s=2,
        sleep=clock.sleep,
    )


def work_for_a_day(container: Container, make_agent: Callable[..., int]) -> tuple[int, int]:
    """Let two agents and an admin do everything that can happen to a ticket."""
    ann, ben = make_agent("ann"), make_agent("ben", level="senior")
    drafts = [TicketDraft(subject=f"Ticket {n}", priority=list(Priority)[n % 3]) for n in range(60)]
    ids = [ticket.id for ticket in container.tickets.create_many(drafts, actor_id=None)]
    hand = [ticket.id for ticket in container.assignments.fetch(ann).tickets]
    work = container.lifecycle
    work.sell(ann, hand[0], BUYER)
    work.start(ann, hand[1])
    work.release(ann, hand[1], reason="not mine")
    work.resolve(ann, hand[2])
    work.close(ann, hand[2])
    work.reopen(hand[2], actor_id=None, reason="not solved")
    work.resolve(ann, hand[3])
    work.assign(hand[4], agent_id=ben, actor_id=None)
    work.return_one(hand[5], actor_id=None, reason="mistake")
    container.tickets.delete(hand[6], actor_id=None)
    container.tickets.update(hand[7], TicketChanges(subject="Changed"), actor_id=None)
    container.tickets.update(ids[-1], TicketChanges(priority=Priority.LOW), actor_id=None)
    container.tickets.delete(ids[-2], actor_id=None)
    container.assignments.fetch(ben, limit=6)
    container.assignments.return_all(ben, actor_id=None)
    container.assignments.fetch(ben, limit=3)
    container.assignments.fetch(ann)
    return ann, ben


def judged(results: tuple[InvariantResult, ...]) -> dict[str, bool | None]:
    return {result.code: result.ok for result in results}


def violated(results: tuple[InvariantResult, ...]) -> set[str]:
    return {result.code for result in results if result.ok is False}
