"""What the use cases need to count tries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from service.domain.sign_in_limits import Budget


@dataclass(frozen=True, slots=True)
class Charge:
    """One try on the budget that goes by this key."""

    key: bytes
    budget: Budget


class TryStore(Protocol):
    """Tries as records, regained by the database's clock. Every method raises `StoreUnavailable`."""

    def is_known(self, key: bytes) -> bool:
        """Say whether the right password was given under this key lately."""

    def look(self, charges: Sequence[Charge]) -> float:
        """Return the seconds until every budget has a try, 0 where all have."""

    def charge(self, charges: Sequence[Charge]) -> float:
        """Take one try of each budget, or of none; return as `look` does, 0 when charged."""

    def give_back(self, charges: Sequence[Charge]) -> None:
        """Put a try back."""

    def welcome(self, key: bytes, *, life_s: float) -> None:
        """Note that the right password was given: the key's budget is whole, and the key known for so long."""

    def prune(self) -> int:
        """Remove what says nothing any more: whole budgets of keys that are not known. Counts them."""
