"""Tickets that lie untouched with an agent: warned of, then taken back, on real PostgreSQL and a real queue."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis
from sqlalchemy import Engine, text

from service.domain.hold_limit import HoldLimit
from service.domain.model import Cause
from service.store.engine import transaction
from service.store.hold_limit import PostgresHoldLimit
from service.store.invariants import PostgresInvariants
from service.store.places import PostgresPlaces
from service.ticket_queue.keys import Keys
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.hold_limit import HoldLimits, pause_s
from service.usecases.ports.hold_limit import Limited
from service.usecases.ports.tickets import TicketDraft
from tests.integration.desk import Desk, Make, MakeMany, as_decided, as_hinted
from tests.integration.waiting import LIMIT, let_pass, wait_until_blocked

UNTIL_WARNED = LIMIT.limit_s - LIMIT.warning_s + 1
UNTIL_BACK = LIMIT.warning_s + 1


@pytest.fixture
def desk(engine: Engine, queue: RedisTicketQueue) -> Desk:
    return Desk(engine, queue)


@pytest.fixture
def ann(make_agent: Make) -> int:
    return make_agent("ann")


@pytest.fixture
def limits(engine: Engine, queue: RedisTicketQueue) -> HoldLimits:
    return HoldLimits(store=PostgresHoldLimit(engine), queue=queue, places=PostgresPlaces(engine), limit=LIMIT)


def warned(engine: Engine) -> list[int]:
    """List the tickets warned of, each time it was."""
    query = text("SELECT ticket_id FROM ticket_events WHERE cause = 'hold_warning' ORDER BY id")
    with engine.connect() as connection:
        return list(connection.execute(query).scalars())


def hand(desk: Desk, agent_id: int) -> list[int]:
    return [ticket.id for ticket in desk.assignments.held(agent_id).tickets]


def test_untouched_tickets_are_warned_of_once_and_then_go_back_to_their_places(
    desk: Desk, engine: Engine, ann: int, make_tickets: MakeMany, limits: HoldLimits, redis_client: Redis, keys: Keys
) -> None:
    tickets = make_tickets(17)
    desk.assignments.fetch(ann)
    desk.lifecycle.start(ann, tickets[1])
    untouched = [tickets[0], *tickets[2:15]]
    let_pass(engine, UNTIL_WARNED)
    assert [limits.run(), limits.run(), limits.run()] == [0, 0, 0]
    assert warned(engine) == untouched
    assert len(hand(desk, ann)) == 15
    let_pass(engine, UNTIL_BACK)
    assert [limits.run(), limits.run()] == [14, 0]
    assert warned(engine) == untouched
    queues, hands = as_decided(engine)
    assert queues["medium"] == [tickets[0], *tickets[2:]]
    assert hands == {ann: [tickets[1]]}
    assert as_hinted(redis_client, keys) == (queues, hands)


def test_the_history_says_whom_it_was_taken_from_and_why_and_leads_to_the_row(
    desk: Desk, engine: Engine, ann: int, limits: HoldLimits
) -> None:
    ticket = desk.tickets.create(TicketDraft(subject="Printer on fire"), actor_id=None).id
    desk.assignments.fetch(ann)
    for seconds in (UNTIL_WARNED, UNTIL_BACK):
        let_pass(engine, seconds)
        limits.run()
    query = text(
        "SELECT cause, from_status, to_status, agent_id, actor_id, epoch, note FROM ticket_events"
        " WHERE ticket_id = :id ORDER BY id OFFSET 2"
    )
    with engine.connect() as connection:
        events = [tuple(event) for event in connection.execute(query, {"id": ticket})]
    assert events == [
        (Cause.HOLD_WARNING, "assigned", "assigned", ann, None, 1, "not begun; goes back in 600 s"),
        (Cause.HOLD_LIMIT, "assigned", "open", ann, None, 2, "not begun for more than 3600 s"),
    ]
    found = PostgresInvariants(engine).histories()
    assert {code: finding.violations for code, finding in found.items()} == {"I1": 0, "I3": 0, "I9": 0, "I11": 0}


def test_a_late_warning_is_out_for_its_whole_time_before_anything_goes_back(
    desk: Desk, engine: Engine, ann: int, make_tickets: MakeMany, limits: HoldLimits
) -> None:
    """Nobody looked for a day: the limit is long over, the warning is not."""
    make_tickets(2)
    desk.assignments.fetch(ann)
    let_pass(engine, 86_400)
    assert limits.run() == 0
    let_pass(engine, LIMIT.warning_s - 60)
    assert limits.run() == 0
    let_pass(engine, 61)
    assert limits.run() == 2


def test_beginning_a_ticket_ends_its_limit(
    desk: Desk, engine: Engine, ann: int, make_tickets: MakeMany, limits: HoldLimits
) -> None:
    (ticket,) = make_tickets(1)
    desk.assignments.fetch(ann)
    let_pass(engine, UNTIL_WARNED)
    limits.run()
    desk.lifecycle.start(ann, ticket)
    let_pass(engine, 10 * LIMIT.limit_s)
    assert limits.run() == 0
    assert hand(desk, ann) == [ticket]


@pytest.mark.parametrize("to_another", [True, False])
def test_being_given_a_ticket_begins_its_limit_anew_with_a_warning_of_its_own(
    desk: Desk, engine: Engine, ann: int, make_agent: Make, make_tickets: MakeMany, limits: HoldLimits, *,
    to_another: bool,
) -> None:  # fmt: skip
    """Also when it is given to whoever has it: the epoch stays, the hold is another one."""
    (ticket,) = make_tickets(1)
    receiver = make_agent("ben") if to_another else ann
    desk.assignments.fetch(ann)
    let_pass(engine, UNTIL_WARNED)
    limits.run()
    desk.lifecycle.assign(ticket, agent_id=receiver, actor_id=None)
    let_pass(engine, UNTIL_BACK)
    assert limits.run() == 0
    assert warned(engine) == [ticket]
    let_pass(engine, UNTIL_WARNED)
    assert limits.run() == 0
    assert warned(engine) == [ticket, ticket]
    let_pass(engine, UNTIL_BACK)
    assert limits.run() == 1


def test_a_ticket_reopened_and_dealt_again_is_a_hold_of_its_own(
    desk: Desk, engine: Engine, ann: int, make_tickets: MakeMany, limits: HoldLimits
) -> None:
    (ticket,) = make_tickets(1)
    desk.assignments.fetch(ann)
    let_pass(engine, UNTIL_WARNED)
    limits.run()
    desk.lifecycle.resolve(ann, ticket)
    desk.lifecycle.reopen(ticket, actor_id=None)
    desk.assignments.fetch(ann)
    let_pass(engine, UNTIL_BACK)
    assert limits.run() == 0
    assert (warned(engine), hand(desk, ann)) == ([ticket], [ticket])


def test_without_a_limit_everything_stays(
    desk: Desk, engine: Engine, queue: RedisTicketQueue, ann: int, make_tickets: MakeMany
) -> None:
    make_tickets(1)
    desk.assignments.fetch(ann)
    let_pass(engine, 604_800)
    none = HoldLimits(
        store=PostgresHoldLimit(engine), queue=queue, places=PostgresPlaces(engine), limit=HoldLimit(0, 1)
    )
    assert (none.run(), warned(engine)) == (0, [])


def test_whoever_begins_at_the_last_moment_keeps_the_ticket(
    desk: Desk, engine: Engine, ann: int, make_tickets: MakeMany, limits: HoldLimits
) -> None:
    """The ticket was seen as due; its beginning commits while the agent's row lock is waited for."""
    begun, other = make_tickets(2)
    desk.assignments.fetch(ann)
    let_pass(engine, UNTIL_WARNED)
    limits.run()
    let_pass(engine, UNTIL_BACK)
    store = PostgresHoldLimit(engine)
    assert store.due(LIMIT) == [ann]
    with ThreadPoolExecutor(1) as pool:
        with transaction(engine) as connection:
            connection.execute(text("SELECT 1 FROM agents WHERE id = :id FOR NO KEY UPDATE"), {"id": ann})
            connection.execute(text("UPDATE tickets SET status = 'in_progress' WHERE id = :id"), {"id": begun})
            applied = pool.submit(store.apply, LIMIT, agent_id=ann)
            wait_until_blocked(engine, applied)
        assert [ticket.id for ticket in applied.result().returned] == [other]
    assert hand(desk, ann) == [begun]


def test_a_job_that_was_overtaken_finds_the_other_ones_warning(
    desk: Desk, engine: Engine, ann: int, make_tickets: MakeMany
) -> None:
    """Both saw the ticket as due; the other one's warning commits while the agent's row lock is waited for."""
    (ticket,) = make_tickets(1)
    desk.assignments.fetch(ann)
    let_pass(engine, UNTIL_WARNED)
    warn = text(
        "INSERT INTO ticket_events (ticket_id, cause, from_status, to_status, agent_id, epoch)"
        " VALUES (:id, 'hold_warning', 'assigned', 'assigned', :agent, 1)"
    )
    with ThreadPoolExecutor(1) as pool:
        with transaction(engine) as connection:
            connection.execute(text("SELECT 1 FROM agents WHERE id = :id FOR NO KEY UPDATE"), {"id": ann})
            connection.execute(warn, {"id": ticket, "agent": ann})
            applied = pool.submit(PostgresHoldLimit(engine).apply, LIMIT, agent_id=ann)
            wait_until_blocked(engine, applied)
        assert applied.result() == Limited()
    assert warned(engine) == [ticket]


def test_many_jobs_at_once_warn_once_and_take_back_once(
    desk: Desk, engine: Engine, ann: int, make_tickets: MakeMany
) -> None:
    tickets = make_tickets(5)
    desk.assignments.fetch(ann)
    store = PostgresHoldLimit(engine)

    def at_once(_number: int) -> Limited:
        return store.apply(LIMIT, agent_id=ann)

    with ThreadPoolExecutor(8) as pool:
        let_pass(engine, UNTIL_WARNED)
        done = list(pool.map(at_once, range(8)))
        assert sorted(ticket for one in done for ticket in one.warned) == warned(engine) == tickets
        let_pass(engine, UNTIL_BACK)
        done = list(pool.map(at_once, range(8)))
        assert sorted(ticket.id for one in done for ticket in one.returned) == tickets
    assert store.due(LIMIT) == []


@pytest.mark.parametrize(("warning_s", "expected"), [(1, 1.0), (100, 10.0), (3_600, 60.0)])
def test_the_pause_between_two_looks_follows_the_warning(warning_s: int, expected: float) -> None:
    assert pause_s(warning_s) == expected
