"""Throttling of guesses: who is kept out, for how long, and who is not."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from service.domain.errors import PasswordsBusy, StoreUnavailable, TooManyTries, WrongCredentials
from service.domain.sign_in_limits import Budget, SignInLimits, place, spelling
from service.usecases.devices import LIFE_S, Devices
from service.usecases.throttle import Throttle
from service.usecases.turns import Turns
from tests.fakes.tries import TURNS, MemoryTries

LIMITS = SignInLimits(account=Budget(3, 60.0), address=Budget(5, 60.0))
HOME, CAFE = "192.0.2.1", "198.51.100.1"


@pytest.fixture
def store() -> MemoryTries:
    return MemoryTries()


@pytest.fixture
def throttle(store: MemoryTries) -> Throttle:
    return Throttle(store=store, limits=LIMITS, secret=b"secret", turns=TURNS)


def guess(throttle: Throttle, name: str, address: str | None, times: int = 1, device: str | None = None) -> int:
    """Guess wrongly and count the guesses that were let through."""
    through = 0
    for _ in range(times):
        try:
            with throttle.sign_in(name, address, device):
                through += 1
                refuse()
        except (WrongCredentials, TooManyTries):
            pass
    return through


def refuse() -> None:
    raise WrongCredentials("wrong")


def enter(throttle: Throttle, name: str, address: str | None, device: str | None = None) -> None:
    with throttle.sign_in(name, address, device):
        pass


def test_an_account_is_closed_to_strangers_wherever_they_are(throttle: Throttle) -> None:
    addresses = [f"192.0.2.{n}" for n in range(10)]
    assert sum(guess(throttle, "ann", address) for address in addresses) == 3
    with pytest.raises(TooManyTries) as caught:
        enter(throttle, "ann", CAFE)
    assert caught.value.facts == {"retry_after_s": 20}
    assert caught.value.detail == "Too many wrong passwords. Try again in 20 seconds."


def test_an_address_is_closed_whoever_is_tried_from_there(throttle: Throttle) -> None:
    assert sum(guess(throttle, f"agent-{n}", CAFE) for n in range(10)) == 5
    assert guess(throttle, "ann", HOME) == 1


def test_an_address_that_is_closed_closes_no_accounts(throttle: Throttle) -> None:
    guess(throttle, "bob", CAFE, 3)
    for n in range(20):
        guess(throttle, f"agent-{n}", CAFE)
    assert guess(throttle, "ann", CAFE, 10) == 0
    assert guess(throttle, "ann", HOME, 10) == 3


def test_the_wait_ends(throttle: Throttle, store: MemoryTries) -> None:
    guess(throttle, "ann", HOME, 10)
    store.clock.sleep(20)
    enter(throttle, "ann", HOME)


def test_nobody_can_keep_an_owner_out_who_comes_from_where_they_came_before(
    throttle: Throttle, store: MemoryTries
) -> None:
    enter(throttle, "ann", HOME)
    for _ in range(100):
        guess(throttle, "ann", CAFE)
        guess(throttle, "bob", HOME)
        store.clock.sleep(7)
    assert guess(throttle, "ann", CAFE, 10) + guess(throttle, "bob", HOME, 10) < 20
    enter(throttle, "Ann ", HOME)


def test_a_known_place_has_a_budget_too(throttle: Throttle) -> None:
    enter(throttle, "ann", HOME)
    assert guess(throttle, "ann", HOME, 10) == 3


def test_nobody_at_an_owners_own_address_keeps_them_out_of_their_own_browser(
    throttle: Throttle, store: MemoryTries
) -> None:
    enter(throttle, "ann", HOME)
    mark = throttle.device_mark("Ann")
    for _ in range(50):
        guess(throttle, "ann", HOME, 3)
        store.clock.sleep(7)
    with pytest.raises(TooManyTries):
        enter(throttle, "ann", HOME)
    enter(throttle, " ann", HOME, mark)


def test_a_browser_has_a_budget_too_wherever_it_is(throttle: Throttle) -> None:
    mark, other = throttle.device_mark("ann"), throttle.device_mark("ann")
    assert guess(throttle, "ann", HOME, 2, mark) + guess(throttle, "ann", CAFE, 10, mark) == 3
    assert guess(throttle, "ann", CAFE, 10, other) == 3


def worthless_marks() -> Iterator[str]:
    """Make marks that are of another account, of another service, meddled with, or no marks at all."""
    throttle = Throttle(store=MemoryTries(), limits=LIMITS, secret=b"secret", turns=TURNS)
    yield (mark := throttle.device_mark("mallory"))
    until, name, seal = mark.split(".")
    yield Throttle(store=MemoryTries(), limits=LIMITS, secret=b"another", turns=TURNS).device_mark("ann")
    own = throttle.device_mark("ann")
    yield f"{int(own[:8], 16) + 1:08x}{own[8:]}"
    yield from ("", "x", "\u0663" * 32, f"{until}.{name}.", f"{until}.{name}.{seal}\n", own + "\n")


def test_marks_are_for_one_account_and_nobody_elses_to_make(throttle: Throttle, store: MemoryTries) -> None:
    for mark in worthless_marks():
        store.whole_at.clear()
        guess(throttle, "ann", HOME, 3, mark)
        assert guess(throttle, "ann", CAFE, 10) == 0, mark


def test_a_mark_is_believed_for_a_month() -> None:
    moment = 1_700_000_000.0
    mark = Devices(b"secret", now=lambda: moment).mark("ann")
    assert Devices(b"secret", now=lambda: moment + LIFE_S - 1).read("ann", mark) is not None
    assert Devices(b"secret", now=lambda: moment + LIFE_S + 1).read("ann", mark) is None


def test_a_place_is_forgotten_in_the_end(throttle: Throttle, store: MemoryTries) -> None:
    enter(throttle, "ann", HOME)
    store.clock.sleep(31 * 24 * 3600)
    guess(throttle, "ann", CAFE, 10)
    with pytest.raises(TooManyTries):
        enter(throttle, "ann", HOME)


def test_right_passwords_cost_nothing(throttle: Throttle) -> None:
    for n in range(100):
        enter(throttle, f"agent-{n % 10}", HOME)
    assert guess(throttle, "new", HOME, 10) == 3


def test_who_knows_one_password_guesses_others_no_faster(throttle: Throttle) -> None:
    through = 0
    for _ in range(20):
        through += guess(throttle, "ann", CAFE)
        enter(throttle, "mallory", CAFE)
    assert through == 3


@pytest.mark.parametrize("failure", [StoreUnavailable("away"), PasswordsBusy("busy"), KeyboardInterrupt()])
def test_what_is_not_the_clients_fault_costs_no_try(throttle: Throttle, failure: BaseException) -> None:
    for _ in range(10):
        with pytest.raises(type(failure)), throttle.sign_in("ann", HOME):
            raise failure
    assert guess(throttle, "ann", HOME, 10) == 3


def test_who_waits_for_a_turn_has_paid_nothing_and_who_has_no_try_left_waits_for_none(store: MemoryTries) -> None:
    turns = Turns(at_once=1, waiting=0)
    throttle = Throttle(store=store, limits=LIMITS, secret=b"secret", turns=turns)
    with ThreadPoolExecutor(1) as another, turns.turn():
        for _ in range(10):
            with pytest.raises(PasswordsBusy):
                another.submit(enter, throttle, "ann", HOME).result(30)
    assert guess(throttle, "ann", HOME, 10) == 3
    with ThreadPoolExecutor(1) as another, turns.turn(), pytest.raises(TooManyTries):
        another.submit(enter, throttle, "ann", HOME).result(30)


def test_a_sign_in_succeeds_though_the_try_cannot_be_paid_back(throttle: Throttle, store: MemoryTries) -> None:
    with throttle.sign_in("ann", HOME):
        store.is_away = True


def test_the_present_password_is_guessed_no_faster_by_who_is_signed_in(throttle: Throttle, store: MemoryTries) -> None:
    stolen, own = uuid4(), uuid4()
    through = 0
    for _ in range(10):
        try:
            with throttle.password_change(stolen):
                through += 1
                refuse()
        except (WrongCredentials, TooManyTries):
            pass
    assert through == 3
    with throttle.password_change(own):
        pass
    enter(throttle, "ann", HOME)


def test_what_is_kept_does_not_tell_names(throttle: Throttle, store: MemoryTries) -> None:
    guess(throttle, "my secret password", HOME)
    assert all(len(key) == 16 and b"secret" not in key for key in store.whole_at)
    other = MemoryTries()
    guess(Throttle(store=other, limits=LIMITS, secret=b"another", turns=TURNS), "my secret password", HOME)
    assert not other.whole_at.keys() & store.whole_at.keys()


@pytest.mark.parametrize("written", ["Ann", " ann", "ANN\n", "\uff41nn", "a\u0301nn"])
def test_an_account_cannot_be_guessed_at_under_other_spellings(throttle: Throttle, written: str) -> None:
    guess(throttle, "ann", HOME, 3)
    assert guess(throttle, written, CAFE) == 0


@pytest.mark.parametrize("odd", ["", "a\0b", "\ud800", "x" * 1_000_000])
def test_any_text_counts_as_a_name(throttle: Throttle, odd: str) -> None:
    assert guess(throttle, odd, None, 10) == 3


def test_the_kelvin_sign_and_the_dotted_i_are_letters_to_databases() -> None:
    assert spelling("\u212aim") == "kim"
    assert spelling("\u0130da") == "ida"


@pytest.mark.parametrize(
    ("address", "named"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:bbbb::2", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "nowhere"),
        (None, "nowhere"),
        ("proxy.internal", "proxy.internal"),
    ],
)
def test_a_network_of_ipv6_is_one_place(address: str | None, named: str) -> None:
    assert place(address) == named
