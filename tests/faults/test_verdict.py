"""The verdict can fail: each kind of wrong that it looks for is put before it once."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tests.faults.clients import History, Operation
from tests.faults.replay import Replay
from tests.faults.verdict import _lost_moves, _not_theirs


@dataclass(frozen=True)
class Event:
    id: int
    ticket_id: int
    cause: str
    from_status: str | None
    to_status: str | None
    agent_id: int | None = None
    actor_id: int | None = None
    at_s: float = 0.0


def _created(ticket_id: int = 1) -> Event:
    return Event(1, ticket_id, "create", None, "open")


def _fetched(number: int, agent_id: int, *, ticket_id: int = 1, at_s: float = 10.0) -> Event:
    return Event(number, ticket_id, "fetch", "open", "assigned", agent_id, agent_id, at_s)


def test_a_ticket_dealt_while_somebody_has_it_is_noticed() -> None:
    twice = Replay([_created(), _fetched(2, 7), _fetched(3, 8)])
    assert twice.dealt_twice == ["ticket 1 was dealt to 8 while 7 had it"]
    released = Event(3, 1, "release", "assigned", "open", 7, 7)
    assert Replay([_created(), _fetched(2, 7), released, _fetched(4, 8)]).dealt_twice == []


def test_a_sixteenth_ticket_in_a_hand_is_noticed() -> None:
    dealt = [_fetched(n, 7, ticket_id=n) for n in range(1, 17)]
    assert Replay(dealt[:15]).above_cap == []
    assert Replay(dealt).above_cap == ["agent 7 held 16 with event 16"]
    resolved = Event(20, 3, "resolve", "assigned", "resolved", 7, 7)
    assert Replay([*dealt[:15], resolved, dealt[15]]).above_cap == []


def test_a_reassigned_ticket_leaves_the_first_hand() -> None:
    given = Event(3, 1, "reassign", "assigned", "assigned", 8, 1, 20.0)
    replay = Replay([_created(), _fetched(2, 7), given])
    assert [(period.agent_id, period.until_s) for period in replay.periods(1)] == [(7, 20.0), (8, None)]


def test_what_follows_a_sale_is_noticed() -> None:
    sold = Event(3, 1, "sell", "assigned", "sold", 7, 7)
    reopened = Event(4, 1, "reopen", "sold", "open", 7, 1)
    assert Replay([_created(), _fetched(2, 7), sold]).unsold == []
    assert Replay([_created(), _fetched(2, 7), sold, reopened]).unsold == ["ticket 1 was sold, and then came reopen"]


def test_a_hand_is_held_against_the_time_it_was_shown() -> None:
    returned = Event(3, 1, "return", "assigned", "open", 7, 1, 20.0)
    replay = Replay([_created(), _fetched(2, 7, at_s=10.0), returned])
    assert replay.had(7, 1, between_s=(11.0, 12.0), slack_s=1.0)
    assert not replay.had(8, 1, between_s=(11.0, 12.0), slack_s=1.0)
    assert not replay.had(7, 1, between_s=(1.0, 9.0), slack_s=1.0)
    assert not replay.had(7, 1, between_s=(22.0, 23.0), slack_s=1.0)


def test_what_has_not_ended_is_unknown() -> None:
    history = History()
    sent = history.invoke("fetch", 7, ticket_id=None, about="")
    assert [operation.outcome for operation in history.all()] == ["unknown"]
    history.end(sent, outcome="ok", status=200)
    assert [operation.outcome for operation in history.all()] == ["ok"]
    assert (history.count(), history.count("ok"), history.count("unknown")) == (1, 1, 0)


def test_an_acknowledged_move_without_a_trace_is_lost() -> None:
    resolved = Operation(number=1, kind="resolve", who_id=7, began_s=11.0, ended_s=12.0, ticket_id=1, outcome="ok")
    replay = Replay([_created(), _fetched(2, 7)])
    assert list(_lost_moves(replay, [resolved])) == ["ticket 1: 1 x resolve acknowledged to 7, 0 in its history"]
    assert list(_lost_moves(replay, [replace(resolved, outcome="unknown")])) == []
    given = replace(resolved, kind="assign", about="9")
    assert list(_lost_moves(replay, [given])) == [
        "ticket 1: acknowledged as given to 9, its history knows nothing",
    ]
    shown = replace(resolved, kind="fetch", ticket_id=None, who_id=9, tickets=(1,))
    assert list(_not_theirs(replay, [shown])) == ["agent 9 was shown ticket 1 and never had it then"]
