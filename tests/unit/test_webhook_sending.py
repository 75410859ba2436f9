"""How long a run and a turn last, on a clock of our own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from uuid import UUID

import pytest

from service.domain.errors import StoreUnavailable
from service.domain.webhooks import Delivery, DeliveryKind, DeliveryState, Outcome, Retries
from service.usecases.ports.webhooks import Attempt, Consequence, Turn
from service.usecases.webhook_sending import RUN_S, TURN_S, TURN_SENDS, WebhookSending
from tests.fakes.clock import FakeClock

NOW = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Backlog:
    """An outbox with one webhook and more to send than anybody can."""

    def __init__(self) -> None:
        self.spreads = 0
        self.turns = 0
        self.released = 0
        self.sent: list[int] = []
        self.is_taken = False
        self.settled: Callable[[], bool] = lambda: True

    def spread(self, *, limit: int) -> int:
        self.spreads += 1
        return 0

    def take_turn(self, *, lease_s: float) -> Turn | None:
        if self.is_taken:
            return None
        self.is_taken = True
        self.turns += 1
        return Turn(1, self.turns)

    def next_attempt(self, turn: Turn, *, lease_s: float) -> Attempt | None:
        self.sent.append(turn.lease)
        delivery = Delivery(
            id=len(self.sent), message_id=UUID(int=1), webhook_id=1, kind=DeliveryKind.PING, event_ids=(),
            state=DeliveryState.PENDING, attempts=1, next_try_at=NOW, last_tried_at=None, last_status=None,
            last_error=None, last_duration_ms=None, created_at=NOW, finished_at=None,
        )  # fmt: skip
        return Attempt(
            turn=turn, delivery=delivery, events=(), url="https://x.example/", secrets=(SECRET,), tries=1, failures=0
        )

    def settle(self, attempt: Attempt, outcome: Outcome, consequence: Consequence, *, disable_after: int) -> bool:
        return self.settled()

    def release(self, turn: Turn) -> None:
        self.is_taken = False
        self.released += 1


class Courier:
    """Take a while for each message."""

    def __init__(self, clock: FakeClock, takes_s: float) -> None:
        self._clock = clock
        self._takes_s = takes_s

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        self._clock.sleep(self._takes_s)
        return Outcome(status=200, error=None, duration_ms=1)


def run(backlog: Backlog, *, takes_s: float) -> tuple[int, float]:
    """Run once; return what was sent and the seconds it took."""
    clock = FakeClock()
    began = clock()
    sending = WebhookSending(
        outbox=backlog,  # type: ignore[arg-type]
        courier=Courier(clock, takes_s),  # type: ignore[arg-type]
        retries=Retries(max_tries=16, first_s=5, disable_after=5),
        timeout_s=10,
        keep_days=14,
        write=lambda _: b"{}",
        clock=clock,
        now=lambda: NOW,
        chance=lambda: 0.5,
    )
    return sending.run(), clock() - began


def test_a_turn_ends_after_so_many_deliveries_and_others_have_theirs() -> None:
    backlog = Backlog()
    sent, _ = run(backlog, takes_s=0.01)
    assert sent == len(backlog.sent)
    assert backlog.sent.count(1) == TURN_SENDS
    assert backlog.turns == backlog.released > 1


def test_a_turn_ends_after_a_while_with_the_delivery_under_way() -> None:
    backlog = Backlog()
    run(backlog, takes_s=TURN_S * 0.75)
    assert backlog.sent[:4] == [1, 1, 2, 2]


def test_a_run_begins_nothing_once_its_time_is_up() -> None:
    backlog = Backlog()
    _, took_s = run(backlog, takes_s=0.4)
    assert RUN_S <= took_s < RUN_S + 1


def test_an_outage_of_the_store_ends_the_run_and_gives_the_turn_back() -> None:
    def away() -> bool:
        raise StoreUnavailable("away")

    backlog = Backlog()
    backlog.settled = away
    with pytest.raises(StoreUnavailable):
        run(backlog, takes_s=0.01)
    assert len(backlog.sent) == backlog.released >= 1
