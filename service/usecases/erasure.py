"""Erasing customers: what they are called and where they are reached goes, what was sold and when stays."""

from __future__ import annotations

import logging

from service.domain.errors import NotFound
from service.usecases.ports.erasure import Erasure, ErasureStore

log = logging.getLogger(__name__)


class Erasures:
    """Erase customers' personal data. Harmless to repeat."""

    def __init__(self, *, store: ErasureStore) -> None:
        self._store = store

    def find(self, email: str) -> int:
        """Find a customer by email. Raises `NotFound`."""
        found = self._store.customer_of(email)
        if found is None:
            raise NotFound("There is no customer with this email address; they may have been erased already")
        return found

    def erase(self, customer_id: int, *, texts: bool = False, dry_run: bool = False) -> Erasure:
        """Put a pseudonym in the place of a customer's name and email, also in kept replies.

        With `texts`, the subjects and descriptions of the tickets sold to them go too. History is never rewritten:
        notes that name them are counted, for somebody to look at. Raises `NotFound`.
        """
        found = self._store.erase(customer_id, texts=texts, dry_run=dry_run)
        if found is None:
            raise NotFound(f"There is no customer {customer_id}")
        if not dry_run:
            log.info("customer_erased", extra={"customer_id": customer_id, "tickets": found.tickets})
        return found
