"""What every store of tries promises: the real one and the fake alike."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Engine, text

from service.domain.sign_in_limits import Budget
from service.store.password_tries import PostgresTries
from service.usecases.ports.throttle import Charge, TryStore
from tests.fakes.tries import MemoryTries

BUDGET = Budget(tries=3, window_s=30_000.0)
ANN = Charge(b"ann", BUDGET)
AFORE, HERE = (Charge(key, Budget(tries=5, window_s=50_000.0)) for key in (b"afore", b"here"))

Waiting = Callable[[float], None]


@pytest.fixture(params=["memory", "postgres"])
def kept(request: pytest.FixtureRequest) -> tuple[TryStore, Waiting]:
    """A store, and a way to let seconds pass: for the database, everything in it is moved into the past."""
    if request.param == "memory":
        memory = MemoryTries()
        return memory, memory.clock.sleep
    engine: Engine = request.getfixturevalue("engine")

    def wait(seconds: float) -> None:
        earlier = (
            "UPDATE password_tries SET whole_at = whole_at - :s * interval '1 s',"
            " known_until = known_until - :s * interval '1 s'"
        )
        with engine.begin() as connection:
            connection.execute(text(earlier), {"s": seconds})

    return PostgresTries(engine), wait


@pytest.fixture
def store(kept: tuple[TryStore, Waiting]) -> TryStore:
    return kept[0]


@pytest.fixture
def wait(kept: tuple[TryStore, Waiting]) -> Waiting:
    return kept[1]


def spend(store: TryStore, *charges: Charge, times: int) -> list[bool]:
    return [store.charge(charges) == 0.0 for _ in range(times)]


def test_a_budget_allows_so_many_tries_and_then_says_how_long_to_wait(store: TryStore) -> None:
    assert spend(store, ANN, times=4) == [True, True, True, False]
    assert store.charge([ANN]) == pytest.approx(10_000, abs=60)
    assert store.look([HERE, ANN]) == pytest.approx(10_000, abs=60)
    assert store.look([HERE]) == 0


def test_tries_are_regained_evenly_and_never_more_than_all_of_them(store: TryStore, wait: Waiting) -> None:
    spend(store, ANN, times=3)
    wait(10_001)
    assert spend(store, ANN, times=2) == [True, False]
    wait(1_000_000)
    assert spend(store, ANN, times=4) == [True, True, True, False]


def test_being_refused_costs_nothing(store: TryStore, wait: Waiting) -> None:
    spend(store, ANN, times=30)
    wait(10_001)
    assert spend(store, ANN, times=1) == [True]


def test_either_all_budgets_are_charged_or_none(store: TryStore) -> None:
    spend(store, ANN, times=3)
    for other in (HERE, AFORE):  # whichever is charged first
        assert spend(store, ANN, other, times=5) == [False] * 5
        assert spend(store, other, times=6) == [True] * 5 + [False]


def test_what_is_given_back_can_be_spent_again(store: TryStore) -> None:
    spend(store, ANN, HERE, times=3)
    store.give_back([ANN, HERE])
    assert spend(store, ANN, times=2) == [True, False]
    assert spend(store, HERE, times=4) == [True, True, True, False]


def test_who_is_welcome_is_known_for_a_while_and_their_budget_whole(store: TryStore, wait: Waiting) -> None:
    assert not store.is_known(b"ann")
    spend(store, ANN, times=3)
    store.welcome(b"ann", life_s=50_000)
    assert store.is_known(b"ann")
    assert spend(store, ANN, times=4) == [True, True, True, False]
    wait(50_001)
    assert not store.is_known(b"ann")


def test_what_says_nothing_any_more_is_removed(store: TryStore, wait: Waiting) -> None:
    spend(store, ANN, times=3)
    spend(store, HERE, times=1)
    store.welcome(b"known", life_s=100_000)
    wait(10_001)
    assert store.prune() == 1
    assert spend(store, ANN, times=2) == [True, False]
    assert store.is_known(b"known")
