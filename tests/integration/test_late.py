"""Sales and resolutions that come when the ticket has gone back already, on real PostgreSQL and a real queue."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import Engine, text

from service.domain.errors import AgentInactive, FairdealError, NotFound, StaleEpoch, TicketTaken
from service.domain.model import Availability, Priority, TicketStatus
from service.store.away import PostgresAway
from service.store.invariants import PostgresInvariants
from service.ticket_queue.keys import Keys
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.ports.away import LongAway
from service.usecases.ports.people import AgentChanges
from service.usecases.ports.tickets import Buyer, TicketChanges, TicketDraft
from tests.integration.desk import Desk, Make, MakeMany, as_decided, as_hinted
from tests.integration.waiting import lose_untouched

KIM = Buyer(name="Kim", email="kim@example.com")


@pytest.fixture
def desk(engine: Engine, queue: RedisTicketQueue) -> Desk:
    return Desk(engine, queue)


@pytest.fixture
def ann(make_agent: Make) -> int:
    return make_agent("ann")


@pytest.fixture
def lost(desk: Desk, engine: Engine, queue: RedisTicketQueue, ann: int) -> int:
    """A ticket that was taken back from Ann, and another one behind it."""
    drafts = [TicketDraft(subject="Printer on fire"), TicketDraft(subject="Another one")]
    first, _ = desk.tickets.create_many(drafts, actor_id=None)
    desk.assignments.fetch(ann, limit=1)
    assert lose_untouched(engine, queue) == 1
    return first.id


def events(engine: Engine, ticket: int) -> list[Any]:
    query = text(
        "SELECT cause, from_status, to_status, agent_id, epoch, note FROM ticket_events"
        " WHERE ticket_id = :id ORDER BY id"
    )
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(query, {"id": ticket})]


def test_a_late_sale_succeeds_and_the_ticket_leaves_the_queue(
    desk: Desk, engine: Engine, ann: int, lost: int, redis_client: Redis, keys: Keys
) -> None:
    sold = desk.lifecycle.sell(ann, lost, KIM)
    assert (sold.status, sold.agent_id, sold.epoch) == (TicketStatus.SOLD, ann, 3)
    assert sold.assigned_at is not None
    assert events(engine, lost)[-1] == ("sell", "open", "sold", ann, 3, "late: the ticket had gone back to its queue")
    assert as_hinted(redis_client, keys) == as_decided(engine) == ({"high": [], "medium": [lost + 1], "low": []}, {})
    found = PostgresInvariants(engine).histories()
    assert {code: finding.violations for code, finding in found.items()} == {"I1": 0, "I3": 0, "I9": 0, "I11": 0}
    assert desk.lifecycle.sell(ann, lost, KIM) == sold


def test_a_late_resolution_succeeds_and_its_agent_may_take_the_ticket_up_again(desk: Desk, ann: int, lost: int) -> None:
    resolved = desk.lifecycle.resolve(ann, lost)
    assert (resolved.status, resolved.agent_id) == (TicketStatus.RESOLVED, ann)
    assert resolved.resolved_at is not None
    desk.lifecycle.start(ann, lost)
    assert desk.assignments.held(ann).held == 1


def test_a_late_sale_needs_no_room_in_the_hand(desk: Desk, ann: int, lost: int, make_tickets: MakeMany) -> None:
    make_tickets(20, "low")
    desk.lifecycle.assign(lost + 1, agent_id=ann, actor_id=None)
    assert desk.assignments.fetch(ann).held == 15
    assert desk.lifecycle.sell(ann, lost, KIM).status is TicketStatus.SOLD
    assert desk.assignments.held(ann).held == 15


def test_what_the_away_grace_took_back_may_be_sold_late_too(desk: Desk, engine: Engine, ann: int, lost: int) -> None:
    desk.lifecycle.assign(lost, agent_id=ann, actor_id=None)
    desk.agents.set_availability(ann, Availability.AWAY)
    with engine.begin() as connection:
        connection.execute(text("UPDATE agents SET away_since = away_since - interval '1 hour'"))
    assert len(PostgresAway(engine).return_untouched(ann, LongAway(900))) == 1
    assert desk.lifecycle.sell(ann, lost, KIM).agent_id == ann


def test_edits_and_notes_in_between_change_nothing(desk: Desk, engine: Engine, ann: int, lost: int) -> None:
    desk.tickets.update(lost, TicketChanges(priority=Priority.HIGH, subject="Still on fire"), actor_id=None)
    assert desk.lifecycle.sell(ann, lost, KIM).priority is Priority.HIGH
    assert as_decided(engine)[0]["high"] == []


@pytest.mark.parametrize(
    ("fate", "words"),
    [
        (lambda desk, ben, ticket: None, "is now assigned to another agent"),
        (lambda desk, ben, ticket: desk.lifecycle.start(ben, ticket), "is now in progress with another agent"),
        (lambda desk, ben, ticket: desk.lifecycle.resolve(ben, ticket), "has been resolved by another agent"),
        (lambda desk, ben, ticket: desk.lifecycle.sell(ben, ticket, KIM), "has been sold by another agent"),
        (
            lambda desk, ben, ticket: desk.lifecycle.release(ben, ticket, reason="not mine"),
            "has been with another agent since; it is open again",
        ),
    ],
)
@pytest.mark.parametrize("act", ["sell", "resolve"])
def test_once_somebody_else_has_had_it_the_refusal_says_what_it_is_now(
    desk: Desk, ann: int, lost: int, make_agent: Make, act: str, fate: Any, words: str
) -> None:
    ben = make_agent("ben")
    desk.assignments.fetch(ben, limit=1)
    fate(desk, ben, lost)
    with pytest.raises(TicketTaken) as refusal:
        desk.lifecycle.sell(ann, lost, KIM) if act == "sell" else desk.lifecycle.resolve(ann, lost)
    assert refusal.value.detail == f"Ticket {lost} went back to its queue and {words}"
    assert refusal.value.facts == {"state": desk.tickets._store.get(lost).status}  # type: ignore[union-attr]


def test_whoever_never_had_it_or_gave_it_back_has_no_ticket(
    desk: Desk, engine: Engine, queue: RedisTicketQueue, ann: int, lost: int, make_agent: Make
) -> None:
    """A ticket returned by an admin, or released, was not taken for being slow."""
    ben = make_agent("ben")
    with pytest.raises(NotFound, match=f"You have no ticket {lost}"):
        desk.lifecycle.sell(ben, lost, KIM)
    desk.assignments.fetch(ann, limit=1)
    desk.lifecycle.release(ann, lost, reason="not mine")
    with pytest.raises(NotFound):
        desk.lifecycle.sell(ann, lost, KIM)
    desk.assignments.fetch(ann, limit=1)
    desk.lifecycle.return_one(lost, actor_id=None)
    with pytest.raises(NotFound):
        desk.lifecycle.resolve(ann, lost)


def test_a_late_agent_neither_begins_nor_releases_nor_closes(desk: Desk, ann: int, lost: int) -> None:
    for act in (desk.lifecycle.start, desk.lifecycle.close):
        with pytest.raises(NotFound):
            act(ann, lost)
    with pytest.raises(NotFound):
        desk.lifecycle.release(ann, lost, reason="late")


def test_a_deactivated_agent_sells_nothing_late(desk: Desk, ann: int, lost: int) -> None:
    desk.agents.update(ann, AgentChanges(is_active=False), actor_id=None)
    with pytest.raises(AgentInactive):
        desk.lifecycle.sell(ann, lost, KIM)


@pytest.mark.parametrize(("epoch", "is_good"), [(0, False), (1, True), (2, True), (3, False)])
def test_the_epoch_of_the_lost_hold_is_good_and_no_older_one(
    desk: Desk, ann: int, lost: int, epoch: int, *, is_good: bool
) -> None:
    if is_good:
        assert desk.lifecycle.sell(ann, lost, KIM, expected_epoch=epoch).epoch == 3
    else:
        with pytest.raises(StaleEpoch):
            desk.lifecycle.sell(ann, lost, KIM, expected_epoch=epoch)


def test_of_a_late_sale_and_many_fetches_exactly_one_has_the_ticket(
    desk: Desk, engine: Engine, queue: RedisTicketQueue, ann: int, make_agent: Make, make_tickets: MakeMany,
    redis_client: Redis, keys: Keys,
) -> None:  # fmt: skip
    """Round after round; whoever loses is told so, and the queue is right in the end."""
    rivals, rounds = [make_agent(f"rival{n}", capacity=15) for n in range(7)], 12
    won = {"late": 0, "fetched": 0}
    for _ in range(rounds):
        (ticket,) = make_tickets(1)
        desk.assignments.fetch(ann)
        lose_untouched(engine, queue)
        together = Barrier(len(rivals) + 1)

        def late(ticket: int = ticket, together: Barrier = together) -> object:
            together.wait()
            try:
                return desk.lifecycle.sell(ann, ticket, KIM)
            except FairdealError as error:
                return error

        def fetch(agent: int, together: Barrier = together) -> list[int]:
            together.wait()
            return [found.id for found in desk.assignments.fetch(agent).tickets]

        with ThreadPoolExecutor(len(rivals) + 1) as pool:
            selling = pool.submit(late)
            hands = list(pool.map(fetch, rivals))
        having = sum(ticket in hand for hand in hands)
        if isinstance(selling.result(), TicketTaken):
            won["fetched"] += 1
            assert having == 1
        else:
            won["late"] += 1
            assert (having, getattr(selling.result(), "status", None)) == (0, TicketStatus.SOLD)
        assert as_hinted(redis_client, keys) == as_decided(engine)
    assert sum(won.values()) == rounds
