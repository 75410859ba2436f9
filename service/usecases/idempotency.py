"""Repeated requests: the same key, the same reply.

The reply alone would not do: a process may die between an operation's commit and keeping its reply. So each key names
an operation, and the operation's own write carries that name: a ticket its creation, a claim its fetch. Whoever takes
the key up again finds what was done and does not do it again. (A sale needs no name: repeating it changes nothing.)
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from uuid import UUID

from service.domain.errors import InvalidInput, KeyInFlight, KeyReused, StoreUnavailable
from service.usecases.ports.idempotency import IdempotencyStore, Reply

log = logging.getLogger(__name__)

MAX_KEY = 255
LOCK_S = 60.0
"""How long a try may take before the next one may begin: longer than any request lives."""

SERVER_ERROR = 500


class Idempotency:
    """Carry out each operation once for a key, and answer its repetitions alike."""

    def __init__(self, *, store: IdempotencyStore) -> None:
        self._store = store

    def once(
        self, user_id: int, key: str, *, fingerprint: str, operation: Callable[[UUID], Reply]
    ) -> tuple[Reply, bool]:
        """Carry out `operation`, or return the reply kept from the first time, and whether it is that.

        A reply of 500 or more is not kept: the next try begins anew, under the same operation's id. Raises
        `InvalidInput`, `KeyInFlight`, `KeyReused`, `StoreUnavailable`, and what `operation` raises.
        """
        check_key(key)
        operation_id = self._store.begin(user_id, key, fingerprint=fingerprint, lock_s=LOCK_S)
        if operation_id is None:
            return self._earlier(user_id, key, fingerprint), True
        try:
            reply = operation(operation_id)
        except BaseException:
            self._abandon(user_id, key)
            raise
        if reply.status >= SERVER_ERROR:
            self._abandon(user_id, key)
        else:
            self._store.finish(user_id, key, reply)
        return reply, False

    def _earlier(self, user_id: int, key: str, fingerprint: str) -> Reply:
        known = self._store.read(user_id, key)
        if known is not None and known.fingerprint != fingerprint:
            raise KeyReused("This Idempotency-Key belongs to another request; use a new key for each")
        if known is None or known.reply is None:
            raise KeyInFlight("The first request with this Idempotency-Key is still being served; try again shortly")
        return known.reply

    def _abandon(self, user_id: int, key: str) -> None:
        try:
            self._store.abandon(user_id, key)
        except StoreUnavailable:
            log.warning("idempotency_key_left_locked", extra={"user_id": user_id})


def check_key(key: str) -> None:
    """Raise `InvalidInput` unless the key is 1 to 255 printable ASCII characters."""
    if not 1 <= len(key) <= MAX_KEY or not (key.isascii() and key.isprintable()):
        raise InvalidInput(("Idempotency-Key", f"must be 1 to {MAX_KEY} printable ASCII characters"))
