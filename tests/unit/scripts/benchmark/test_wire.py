"""Requests as bytes, the arbiter's statement for pgbench, and the turns of a day."""

from __future__ import annotations

import json
import random
import re

from scripts.benchmark.floor import statement
from scripts.benchmark.people import Seat
from scripts.benchmark.scenarios.mixed import ASSIGN, CREATE, POLL, SELL, SHARES, Day
from scripts.benchmark.wire import request
from service.store import arbiter


def test_a_request_with_a_body_names_its_length() -> None:
    head, _, body = request("POST", "/api/x", token="t", body={"a": "ü"}).partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0] == b"POST /api/x HTTP/1.1"
    assert f"Content-Length: {len(body)}".encode() in head
    assert b"Authorization: Bearer t" in head
    assert json.loads(body) == {"a": "ü"}


def test_a_post_without_a_body_says_so() -> None:
    assert request("POST", "/api/x").endswith(b"Content-Length: 0\r\n\r\n")
    assert b"Content-Length" not in request("GET", "/api/x")


def test_pgbench_runs_the_arbiters_own_statement() -> None:
    """Only the parameters differ: the words between them are the service's."""
    parameters = re.compile(r"(?<![:\w]):[a-z]\w*|gen_random_uuid\(\)|ARRAY\(SELECT generate_series\([^\[]*?14\)\)")
    ours = parameters.sub("?", str(arbiter.CLAIM.text).strip())
    assert parameters.sub("?", statement()) == ours


def _seat(number: int, *, full: bool) -> Seat:
    hand = json.dumps({"tickets": [{"id": number}]}).encode() if full else b""
    return Seat(number, f"token-{number}", request("POST", "/api/tickets/fetch", token=f"token-{number}"), hand)


def test_a_day_has_the_shares_it_is_named_for() -> None:
    seats = [_seat(n, full=n % 2 == 0) for n in range(4_000)]
    day = Day(seats, "admin", random.Random(1))
    kinds: list[str] = []
    while len(kinds) < 4_000 and (turn := day.turn()) is not None:
        kinds.append(turn.kind)
        if turn.taken is not None:
            turn.taken(json.dumps({"tickets": [{"id": len(kinds)}]}).encode())
    assert len(kinds) == 4_000
    for kind, share in SHARES.items():
        assert abs(kinds.count(kind) / 4_000 - share / 100) < 0.03


def test_an_agent_has_one_request_under_way_at_a_time() -> None:
    day = Day([_seat(1, full=True), _seat(2, full=False)], "admin", random.Random(1))
    under_way = [turn for turn in iter(day.turn, None) if turn.kind != CREATE]
    assert len(under_way) <= 2
    assert {turn.kind for turn in under_way} <= {POLL, ASSIGN, SELL}
