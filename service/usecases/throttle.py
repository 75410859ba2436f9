"""Guessing passwords is slow: every try is paid for before the password is looked at, and a right one is paid back.

A name has one budget for all strangers together, one for each place its owner has signed in from, and one for each
browser they have signed in with: whoever uses up one of them keeps nobody out who comes with another. Names that nobody
has are treated as those that somebody has. See docs/adr/0031.
"""

from __future__ import annotations

import hmac
import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from uuid import UUID

from service.domain.errors import StoreUnavailable, TooManyTries, WrongCredentials
from service.domain.sign_in_limits import SignInLimits, place, spelling
from service.usecases.devices import Devices
from service.usecases.ports.throttle import Charge, TryStore
from service.usecases.turns import Turns

log = logging.getLogger(__name__)

JOB = "workers.jobs.tidy_tries"
EVERY_S = 3600.0

KNOWN_S = 30 * 24 * 3600.0
"""How long a place is known after a sign-in from there."""

KEY_BYTES = 16


class Throttle:
    """Count tries, by the account and by where they come from.

    The `secret` keys the hashes under which they are counted: people type passwords where names belong. The `turns` are
    those in which passwords are compared.
    """

    def __init__(self, *, store: TryStore, limits: SignInLimits, secret: bytes, turns: Turns) -> None:
        self._store = store
        self._turns = turns
        self._limits = limits
        self._secret = secret
        self._devices = Devices(secret)

    def device_mark(self, username: str) -> str:
        """Make a mark for the browser in which somebody has just signed in: `sign_in` knows it again by that."""
        return self._devices.mark(username)

    @contextmanager
    def sign_in(self, username: str, address: str | None, device: str | None = None) -> Iterator[None]:
        """Let a password be tried; `WrongCredentials` from within means that it was wrong.

        `device` is the mark that the browser sent, if any. Raises `TooManyTries`, `PasswordsBusy`.
        """
        name, where = spelling(username), place(address)
        known = self._key("place", name, where)
        browser = self._devices.read(username, device)
        if browser is not None:
            charges = [Charge(self._key("device", name, browser), self._limits.account)]
        elif self._store.is_known(known):
            charges = [Charge(known, self._limits.account)]
        else:
            of_name, of_place = self._key("account", name), self._key("address", where)
            charges = [Charge(of_name, self._limits.account), Charge(of_place, self._limits.address)]
        with self._charged("sign_in", charges):
            yield
        with suppress(StoreUnavailable):
            self._store.welcome(known, life_s=KNOWN_S)

    @contextmanager
    def password_change(self, session_id: UUID) -> Iterator[None]:
        """Let the present password be tried by who is signed in, as above.

        The budget is the session's: neither strangers nor whoever has stolen another session can use it up.
        """
        with self._charged("password_change", [Charge(self._key("session", str(session_id)), self._limits.account)]):
            yield

    def tidy(self) -> int:
        """Remove what is not counted any more. Raises `StoreUnavailable`."""
        return self._store.prune()

    @contextmanager
    def _charged(self, act: str, charges: Sequence[Charge]) -> Iterator[None]:
        """Refuse whom it can without a turn; charge in turn, so that those who wait for theirs have paid nothing."""
        _refuse_for(self._store.look(charges), act)
        with self._turns.turn():
            _refuse_for(self._store.charge(charges), act)
            try:
                yield
            except WrongCredentials:
                raise
            except BaseException:
                self._give_back(charges)
                raise
            self._give_back(charges)

    def _give_back(self, charges: Sequence[Charge]) -> None:
        """Pay back; while the database is away the try is lost, and regained with time."""
        with suppress(StoreUnavailable):
            self._store.give_back(charges)

    def _key(self, *parts: str) -> bytes:
        """Name what is counted, of whatever length and characters, so that nobody can read it."""
        return hmac.digest(self._secret, repr(("tries", *parts)).encode("ascii", "backslashreplace"), "sha256")[
            :KEY_BYTES
        ]


def _refuse_for(seconds: float, act: str) -> None:
    """Refuse where there is something to wait for. Raises `TooManyTries`."""
    wait_s = math.ceil(seconds)
    if wait_s > 0:
        log.warning("password_tries_used_up", extra={"act": act, "wait_s": wait_s})
        raise TooManyTries(f"Too many wrong passwords. Try again in {wait_s} seconds.", retry_after_s=wait_s)
