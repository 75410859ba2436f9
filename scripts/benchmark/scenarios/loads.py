"""The loads that scenarios are made of."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence

from scripts.benchmark.closed_loop import Connections, NextTurn, Tally, Turn
from scripts.benchmark.figures import Round
from scripts.benchmark.meter import Meter
from scripts.benchmark.people import Seat
from scripts.benchmark.wire import request

HAND = 15
CUSTOMERS = 5_000
"""People who buy, over and over."""

_FULL = b'"assigned_now":15'


def over_and_over(requests: Sequence[bytes], kind: str = "") -> NextTurn:
    """Send these in turn without end."""
    turns = itertools.cycle([Turn(each, kind) for each in requests])
    return turns.__next__


def once_each(turns: Iterable[Turn]) -> NextTurn:
    """Send each once."""
    left = iter(turns)
    return lambda: next(left, None)


def steady(connections: Connections, next_turn: NextTurn, meter: Meter, seconds: float) -> Round:
    """Load for so many seconds."""
    meter.start()
    tally = connections.drive(next_turn, seconds=seconds)
    meter.pause()
    return meter.round_of(tally)


def fetch_all(connections: Connections, seats: Sequence[Seat], *, seconds: float | None = None) -> Tally:
    """Let each agent fetch once, as far as there is time; a hand that did not come to fifteen counts as an error."""
    for seat in seats:
        seat.hand = b""
    tally = connections.drive(once_each(Turn(seat.fetch, "fetch", seat.take) for seat in seats), seconds=seconds)
    short = sum(bool(seat.hand) and _FULL not in seat.hand for seat in seats)
    if short:
        tally.errors["a hand that was not filled"] += short
    return tally


def sell_some(connections: Connections, seats: Sequence[Seat], seconds: float) -> Tally:
    """Let agents sell their hands, all fifteen in one request, for so many seconds or until all are sold."""
    turns = [Turn(_sale(seat), "sell") for seat in seats if seat.hand]
    return connections.drive(once_each(turns), seconds=seconds)


def _sale(seat: Seat) -> bytes:
    ids = [ticket["id"] for ticket in json.loads(seat.hand)["tickets"]]
    sales = [{"ticket_id": ticket_id, "customer": customer(ticket_id)} for ticket_id in ids]
    return request("POST", "/api/tickets/sell", token=seat.token, body={"sales": sales})


def customer(number: int) -> dict[str, str]:
    """Name somebody who buys."""
    return {"name": "Kim", "email": f"kim-{number % CUSTOMERS}@example.com"}
