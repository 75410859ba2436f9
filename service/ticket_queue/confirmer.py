"""Confirmation off the request path: settled claims are struck off the ledger in batches."""

from __future__ import annotations

import atexit
import logging
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from redis import Redis

from service.domain.errors import QueueUnavailable
from service.ticket_queue.keys import Keys
from service.ticket_queue.queue import BATCH, RedisTicketQueue
from service.usecases.ports.queue import Popped

log = logging.getLogger(__name__)

PAUSE_S = 0.1
"""How long a batch gathers: shorter, and nearly every claim of a busy process would be a wake and a round trip.
A claim whose process dies within it is ended by the reconciler, after the lease."""

WAITING_LIMIT = 50_000
"""Claims waiting at the most while Redis is slow; what is beyond is left to the reconciler."""


class ConfirmingTicketQueue(RedisTicketQueue):
    """Settle claims that went as proposed, which is nearly all, by a thread of this process. `close` strikes the rest.

    The thread is started by the first claim, so that making the queue before a fork does no harm.
    """

    def __init__(self, client: Redis, keys: Keys) -> None:
        super().__init__(client, keys)
        self._waiting: deque[str] = deque()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def settle(self, popped: Popped, *, forget: bool = False) -> None:
        """Put the claim on the list for the next batch, or settle at once where ids went back."""
        if forget or self._closing.is_set() or len(self._waiting) >= WAITING_LIMIT:
            super().settle(popped, forget=forget)
            return
        self._waiting.append(popped.token)
        if self._thread is None:
            self._start()
        if not self._wake.is_set():
            self._wake.set()

    def close(self) -> None:
        """Strike what is waiting and end the thread."""
        self._closing.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=10)
        self._strike_waiting()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="confirmer", daemon=True)
                self._thread.start()
                atexit.register(self.close)

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.wait()
            self._wake.clear()
            self._closing.wait(PAUSE_S)
            self._strike_waiting()

    def _strike_waiting(self) -> None:
        while self._waiting:
            batch: list[str] = []
            with suppress(IndexError):
                while len(batch) < BATCH:
                    batch.append(self._waiting.popleft())
            self._strike(batch)

    def _strike(self, tokens: Sequence[str]) -> None:
        try:
            with self._calling():
                self._client.zrem(self._keys.claims, *tokens)
        except QueueUnavailable:
            log.warning("confirmations_lost", extra={"count": len(tokens)})
