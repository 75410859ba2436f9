"""Loads: what counts as an error although the server said 200, and what is sold."""

from __future__ import annotations

import json
from typing import cast

from scripts.benchmark.closed_loop import Connections, NextTurn, Tally
from scripts.benchmark.people import Seat
from scripts.benchmark.scenarios.loads import fetch_all, once_each, over_and_over, sell_some


class OneLine:
    """A connection on which every request is answered with the same body."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.sent: list[bytes] = []

    def drive(self, next_turn: NextTurn, *, seconds: float | None = None) -> Tally:
        tally = Tally()
        while (turn := next_turn()) is not None:
            self.sent.append(turn.request)
            tally.latencies[turn.kind].append(0.001)
            if turn.taken is not None:
                turn.taken(self.body)
        return tally


def _seats(count: int) -> list[Seat]:
    return [Seat(n, f"token-{n}", f"fetch {n}".encode()) for n in range(count)]


def _hand(assigned: int) -> bytes:
    tickets = [{"id": n} for n in range(1, 16)]
    return json.dumps({"tickets": tickets, "assigned_now": assigned}, separators=(",", ":")).encode()


def test_every_agent_fetches_once_and_keeps_the_answer() -> None:
    line, seats = OneLine(_hand(15)), _seats(3)
    tally = fetch_all(cast("Connections", line), seats)
    assert line.sent == [b"fetch 0", b"fetch 1", b"fetch 2"]
    assert (tally.done, tally.errors) == (3, {})
    assert all(seat.hand for seat in seats)


def test_a_hand_that_was_not_filled_is_an_error() -> None:
    tally = fetch_all(cast("Connections", OneLine(_hand(14))), _seats(2))
    assert tally.errors == {"a hand that was not filled": 2}


def test_whoever_holds_nothing_sells_nothing() -> None:
    line, seats = OneLine(b"{}"), _seats(2)
    seats[1].hand = _hand(15)
    sell_some(cast("Connections", line), seats, 1.0)
    [sent] = line.sent
    sales = json.loads(sent.partition(b"\r\n\r\n")[2])["sales"]
    assert [sale["ticket_id"] for sale in sales] == list(range(1, 16))


def test_turns_come_once_or_over_and_over() -> None:
    again = over_and_over([b"a", b"b"], "kind")
    assert [turn.request for turn in (again(), again(), again()) if turn] == [b"a", b"b", b"a"]
    assert once_each([])() is None
