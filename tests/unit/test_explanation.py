"""Explaining a ticket without servers: Redis away, long queues, and tickets whose history says little."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from service.domain.errors import NotFound, QueueUnavailable
from service.domain.model import Cause, Level, Priority, TicketStatus
from service.usecases.explanation import Explanation, Explanations
from service.usecases.ports.explanation import AHEAD_LIMIT, Act, Situation
from tests.unit.api.fakes import a_ticket

NINE = datetime(2026, 1, 31, 9, tzinfo=UTC)
CREATED = Act(cause=Cause.CREATE, actor_id=1, actor="root", at=NINE, age_s=600, note="")
OPEN = Situation(
    ticket=a_ticket(), agent=None, handed=CREATED, entered=CREATED, warned=None, ahead=0,
    with_room={Level.JUNIOR: 3, Level.SENIOR: 1},
)  # fmt: skip


@dataclass
class OneSituation:
    found: Situation | None

    def situation(self, ticket_id: int) -> Situation | None:
        return self.found


def explained(found: Situation | None, *, queued: bool = True, trusted: bool = True, away: bool = False) -> Explanation:
    def look(tickets: Any) -> frozenset[int]:
        if away:
            raise QueueUnavailable("Redis did not answer")
        return frozenset({ticket.id for ticket in tickets} if queued else ())

    audit: Any = SimpleNamespace(queued=look)
    queue: Any = SimpleNamespace(is_trusted=lambda: trusted)
    return Explanations(store=OneSituation(found), queue=queue, audit=audit).explain(7)


def test_redis_may_be_away() -> None:
    told = explained(OPEN, away=True)
    assert told.queue is not None
    assert (told.queue.rank, told.queue.queued, told.queue.trusted) == (1, None, None)
    assert told.words[2] == "Redis does not answer; PostgreSQL deals meanwhile, in the same order."


@pytest.mark.parametrize(
    ("ahead", "rank", "is_exact", "words"),
    [
        (0, 1, True, "It is the next open medium ticket: none is older."),
        (1, 2, True, "It is number 2 among the open medium tickets: 1 is older."),
        (AHEAD_LIMIT, AHEAD_LIMIT + 1, True, "It is number 10,001 among the open medium tickets: 10,000 are older."),
        (AHEAD_LIMIT + 1, AHEAD_LIMIT + 1, False, "More than 10,000 open medium tickets are older."),
    ],
)
def test_a_rank_is_exact_up_to_the_limit(ahead: int, rank: int, *, is_exact: bool, words: str) -> None:
    told = explained(replace(OPEN, ahead=ahead))
    assert told.queue is not None
    assert (told.queue.rank, told.queue.rank_is_exact, told.words[1]) == (rank, is_exact, words)


def test_who_may_take_it_depends_on_its_priority() -> None:
    assert explained(OPEN).may_take == {Level.SENIOR: 1, Level.JUNIOR: 3}
    assert explained(OPEN).words[3] == "Seniors and juniors may take it; 1 senior, 3 juniors available with room."
    high = replace(OPEN, ticket=a_ticket(priority=Priority.HIGH), with_room={Level.JUNIOR: 3, Level.SENIOR: 0})
    assert explained(high).words[3] == "Seniors may take it; no seniors available with room."


def test_a_ticket_without_history_is_explained_as_far_as_that_goes() -> None:
    bare = replace(OPEN, handed=None, entered=None)
    assert explained(bare).words[0] == "Ticket 7 (medium) is open."
    sold = a_ticket(status=TicketStatus.SOLD, agent_id=2)
    assert explained(replace(bare, ticket=sold, agent="ann", ahead=None)).words == ("Ticket 7 (medium) is sold.",)


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (Cause.DISPATCH, "dispatched at 2026-01-31 09:00:00 UTC"),
        (Cause.AWAY, "taken back from an agent who is away at 2026-01-31 09:00:00 UTC"),
        (Cause.HOLD_LIMIT, "taken back from an agent who had not begun it at 2026-01-31 09:00:00 UTC"),
        (Cause.RECONCILE, "changed (reconcile) at 2026-01-31 09:00:00 UTC"),
    ],
)
def test_what_the_service_did_by_itself_names_nobody(cause: Cause, words: str) -> None:
    act = replace(CREATED, cause=cause, actor_id=None, actor=None)
    assert (
        explained(replace(OPEN, entered=act)).words[0] == f"Ticket 7 (medium) has been open for 10 min: it was {words}."
    )


def test_a_warning_is_told_while_it_stands() -> None:
    fetched = replace(CREATED, cause=Cause.FETCH, actor="ann")
    warning = replace(CREATED, cause=Cause.HOLD_WARNING, actor_id=None, actor=None, note="not begun; goes back in 60 s")
    held = a_ticket(status=TicketStatus.ASSIGNED, agent_id=2)
    told = replace(OPEN, ticket=held, agent="ann", handed=fetched, entered=fetched, warned=warning, ahead=None)
    assert explained(told).words[-1] == (
        "It will go back unless it is begun: Agent ann was warned at 2026-01-31 09:00:00 UTC "
        "(not begun; goes back in 60 s)."
    )
    assert explained(told).warned == warning


def test_what_is_not_there_is_not_explained() -> None:
    with pytest.raises(NotFound, match="There is no ticket 7"):
        explained(None)
