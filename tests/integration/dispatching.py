"""What the tests of dispatch share: a dispatcher on real stores whose waits take no time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine

from service.store.assignments import PostgresAssignments
from service.store.dispatch import PostgresDispatch
from service.store.leases import PostgresLeases
from service.store.places import PostgresPlaces
from service.usecases.dealing import Dealer
from service.usecases.dispatch import Dispatched, Dispatcher
from service.usecases.ports.queue import TicketQueue
from tests.fakes.clock import FakeClock


class Calls:
    """Remember calls of the job in `said`."""

    def __init__(self, said: list[str]) -> None:
        self.said = said

    def call(self, name: str) -> bool:
        assert name == "workers.jobs.dispatch"
        self.said.append("call")
        return True

    def began(self, _: str) -> None:
        self.said.append("began")


class TickingClock(FakeClock):
    """A clock that goes on by so many seconds at each look."""

    def __init__(self, tick_s: float) -> None:
        super().__init__()
        self._tick_s = tick_s

    def __call__(self) -> float:
        self.sleep(self._tick_s)
        return super().__call__()


def dispatcher(
    engine: Engine,
    queue: TicketQueue,
    *,
    wrap: Callable[[Any], Any] = lambda store: store,
    sleep: Callable[[float], None] | None = None,
    calls: list[str] | None = None,
    tick_s: float = 0.0,
    holder: str = "test",
) -> Dispatcher:
    """Wire one; `wrap` may put something round the store that assigns."""
    store = wrap(PostgresAssignments(engine))
    clock = TickingClock(tick_s)
    return Dispatcher(
        store=PostgresDispatch(engine),
        assignments=store,
        dealer=Dealer(store=store, queue=queue, places=PostgresPlaces(engine)),
        leases=PostgresLeases(engine),
        calls=Calls([] if calls is None else calls),
        holder=holder,
        clock=clock,
        sleep=sleep or clock.sleep,
    )


def given(done: Dispatched) -> dict[int, list[int]]:
    """Say who was given which tickets, over all rounds."""
    found: dict[int, list[int]] = {}
    for gift in done.gifts:
        found.setdefault(gift.agent_id, []).extend(gift.ticket_ids)
    return found
