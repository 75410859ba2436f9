"""Tries in memory, regained by a clock that a test moves."""

from __future__ import annotations

from collections.abc import Sequence

from service.domain.errors import StoreUnavailable
from service.domain.sign_in_limits import Budget, SignInLimits
from service.usecases.ports.throttle import Charge
from service.usecases.throttle import Throttle
from service.usecases.turns import Turns
from tests.fakes.clock import FakeClock

TURNS = Turns(at_once=100, waiting=0)


class MemoryTries:
    """Keep the promises of `TryStore` for one process; `is_away` makes it fail as a database does."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.whole_at: dict[bytes, float] = {}
        self.known_until: dict[bytes, float] = {}
        self.is_away = False

    def is_known(self, key: bytes) -> bool:
        self._answer()
        return self.known_until.get(key, 0.0) > self.clock()

    def look(self, charges: Sequence[Charge]) -> float:
        self._answer()
        waits = [
            self.whole_at.get(charge.key, 0.0) - self.clock() + charge.budget.every_s - charge.budget.window_s
            for charge in charges
        ]
        return max(waits) if max(waits) > 1e-6 else 0.0

    def charge(self, charges: Sequence[Charge]) -> float:
        if wait_s := self.look(charges):
            return wait_s
        for charge in charges:
            self.whole_at[charge.key] = max(self.whole_at.get(charge.key, 0.0), self.clock()) + charge.budget.every_s
        return 0.0

    def give_back(self, charges: Sequence[Charge]) -> None:
        self._answer()
        for charge in charges:
            self.whole_at[charge.key] -= charge.budget.every_s

    def welcome(self, key: bytes, *, life_s: float) -> None:
        self._answer()
        self.whole_at[key] = self.clock()
        self.known_until[key] = self.clock() + life_s

    def prune(self) -> int:
        self._answer()
        over = [
            key
            for key, whole_at in self.whole_at.items()
            if whole_at < self.clock() and self.known_until.get(key, 0.0) < self.clock()
        ]
        for key in over:
            del self.whole_at[key]
            self.known_until.pop(key, None)
        return len(over)

    def _answer(self) -> None:
        if self.is_away:
            raise StoreUnavailable("PostgreSQL did not answer")


def unthrottled() -> Throttle:
    """Make a throttle that nobody will meet."""
    plenty = Budget(1_000_000, 1.0)
    return Throttle(store=MemoryTries(), limits=SignInLimits(account=plenty, address=plenty), secret=b"", turns=TURNS)
