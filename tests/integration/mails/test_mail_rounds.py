"""What the service does by itself becomes mails: rounds of dispatch, warnings, and tickets that go back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Engine

from service.store.hold_limit import PostgresHoldLimit
from service.store.mails import PostgresMails
from service.store.places import PostgresPlaces
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.hold_limit import HoldLimits
from tests.fakes.mail import MemoryCarrier
from tests.integration.desk import Desk
from tests.integration.dispatching import dispatcher, given
from tests.integration.mails.mailing import all_mails, give_address, let_history_settle, mailing
from tests.integration.waiting import LIMIT, let_pass

Make = Callable[..., int]
MakeMany = Callable[..., list[int]]


@pytest.fixture
def planned(engine: Engine) -> Callable[[], dict[tuple[int, str], tuple[int, ...]]]:
    """Read the history to its end, and say who is told what of which tickets."""

    def plan() -> dict[tuple[int, str], tuple[int, ...]]:
        let_history_settle(engine)
        while PostgresMails(engine).plan(limit=500, attempts_allowed=14, fresh_s=86_400):
            pass
        mails = all_mails(engine)
        found = {(mail.user_id, mail.kind.value): mail.ticket_ids for mail in mails}
        assert len(found) == len(mails), "somebody gets two mails of a kind"
        return found

    return plan


def test_a_round_of_dispatch_is_one_mail_for_each_agent(
    engine: Engine, queue: RedisTicketQueue, make_agent: Make, make_tickets: MakeMany,
    planned: Callable[[], dict[tuple[int, str], tuple[int, ...]]],
) -> None:  # fmt: skip
    make_tickets(20)
    agents = [make_agent(name, auto_assign=True) for name in ("ann", "ben")]
    give_address(engine, *agents)
    gifts = given(dispatcher(engine, queue).run(trigger="test"))
    assert planned() == {(agent_id, "assigned"): tuple(ids) for agent_id, ids in gifts.items()}
    assert sum(len(ids) for ids in gifts.values()) == 20


def test_tickets_that_lie_untouched_are_one_warning_and_then_one_goodbye(
    engine: Engine, queue: RedisTicketQueue, make_agent: Make, make_tickets: MakeMany,
    planned: Callable[[], dict[tuple[int, str], tuple[int, ...]]],
) -> None:  # fmt: skip
    desk, ann, ids = Desk(engine, queue), make_agent("ann"), tuple(make_tickets(5))
    give_address(engine, ann)
    limits = HoldLimits(store=PostgresHoldLimit(engine), queue=queue, places=PostgresPlaces(engine), limit=LIMIT)
    desk.assignments.fetch(ann)
    let_pass(engine, LIMIT.limit_s - LIMIT.warning_s + 1)
    limits.run()
    expected = {(ann, "fetched"): ids, (ann, "hold_warning"): ids}
    assert planned() == expected
    let_pass(engine, LIMIT.warning_s + 1)
    assert limits.run() == 5
    assert planned() == expected | {(ann, "taken_away"): ids}
    carrier = MemoryCarrier()
    mailing(engine, carrier).run()
    assert [b"Subject: 5 tickets are about to go back" in letter.content for letter in carrier.letters].count(True) == 1
