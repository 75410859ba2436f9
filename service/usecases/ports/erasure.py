"""What erasing a customer needs of the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """What was erased of a customer, or would be. `kept_texts` counts texts that name them and stay as they are."""

    customer_id: int
    tickets: int
    """The tickets sold to them, which go on saying that they were sold, and to whom no more."""
    texts: int
    """Subjects and descriptions of these tickets, emptied because that was asked for."""
    replies: int
    """Kept replies to requests that named them."""
    kept_texts: int
    dry_run: bool


class ErasureStore(Protocol):
    """Personal data of customers. Every method may raise `StoreUnavailable`."""

    def customer_of(self, email: str) -> int | None:
        """Find a customer by email, whatever its case."""

    def erase(self, customer_id: int, *, texts: bool, dry_run: bool) -> Erasure | None:
        """Erase a customer in one transaction, which a dry run rolls back; None when there is no such customer."""
