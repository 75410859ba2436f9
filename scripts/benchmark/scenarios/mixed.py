"""A mixed day: 70 % polls that assign nothing, 15 % fetches that assign, 10 % sales of one ticket, 5 % new tickets."""

from __future__ import annotations

import json
import random
from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial

from scripts.benchmark.admin import Admin
from scripts.benchmark.closed_loop import Connections, Turn
from scripts.benchmark.figures import Row
from scripts.benchmark.meter import latencies_only
from scripts.benchmark.names import MIXED
from scripts.benchmark.people import Seat
from scripts.benchmark.scenarios.loads import HAND, customer, fetch_all
from scripts.benchmark.stage import Stage
from scripts.benchmark.wire import request

ALL = "all of it"
POLL, ASSIGN, SELL, CREATE = "idle polls", "assigning fetches", "sales", "new tickets"
SHARES = {POLL: 70, ASSIGN: 15, SELL: 10, CREATE: 5}
SEED = 6
_FULL_OF_TEN = 6
"""So many in ten hands are full when a round begins; the others are empty."""


class Day:
    """Deal out the turns of a day. An agent has one request under way at a time, and a poll finds a full hand."""

    def __init__(self, seats: Sequence[Seat], admin_token: str, dice: random.Random) -> None:
        """`seats` whose hand is empty have room; the others are full."""
        self._dice = dice
        self._full = deque(seat for seat in seats if seat.hand)
        self._room = deque(seat for seat in seats if not seat.hand)
        self._create = Turn(
            request("POST", "/api/tickets", token=admin_token, body={"subject": "Printer on fire"}), CREATE
        )

    def turn(self) -> Turn | None:
        """Draw what is next; the day is over when nobody is left for it."""
        kind = self._dice.choices(list(SHARES), list(SHARES.values()))[0]
        if kind == CREATE:
            return self._create
        waiting = self._room if kind == ASSIGN else self._full
        if not waiting:
            return None
        seat = waiting.popleft()
        if kind == SELL:
            return Turn(_sale(seat), SELL, partial(self._sold, seat))
        return Turn(seat.fetch, kind, partial(self._fetched, seat))

    def _fetched(self, seat: Seat, body: bytes) -> None:
        seat.hand = body
        self._full.append(seat)

    def _sold(self, seat: Seat, _body: bytes) -> None:
        self._room.append(seat)


def run(stage: Stage) -> Iterator[Row]:
    """Run days at each number of connections."""
    admin = Admin(stage.main_web.port)
    stage.main.stock_up(HAND * len(stage.seats) * 2)
    stage.main.settle()
    for connections in stage.plan.levels:
        rows = {
            what: Row(scenario=MIXED, what=what, unit="requests", connections=connections) for what in (ALL, *SHARES)
        }
        with Connections(stage.main_web.port, connections) as lines:
            for nth in range(stage.plan.rounds):
                _begin(stage, lines)
                day = Day(stage.seats, admin.token, random.Random(SEED + nth))  # noqa: S311 - a load, no secret
                meter = stage.meter(stage.main_web, background=True)
                meter.start()
                tally = lines.drive(day.turn, seconds=stage.plan.seconds)
                meter.pause()
                rows[ALL].rounds.append(meter.round_of(tally))
                for kind in SHARES:
                    waits = tally.latencies[kind]
                    rows[kind].rounds.append(latencies_only(tally.seconds, len(waits), waits))
                stage.show(rows[ALL])
        yield from rows.values()


def _begin(stage: Stage, lines: Connections) -> None:
    """Fill some hands and empty the others."""
    stage.main.clear_hands()
    stage.main.stock_up(HAND * len(stage.seats) * 2)
    for seat in stage.seats:
        seat.hand = b""
    fetch_all(lines, stage.seats[: len(stage.seats) * _FULL_OF_TEN // 10])


def _sale(seat: Seat) -> bytes:
    ticket_id = json.loads(seat.hand)["tickets"][0]["id"]
    return request("POST", f"/api/tickets/{ticket_id}/sell", token=seat.token, body={"customer": customer(ticket_id)})
