"""The queue in figures: what Redis holds against what is open in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from service.domain.errors import QueueUnavailable
from service.domain.model import Priority
from service.usecases.ports.backlog import Backlog, BacklogStore
from service.usecases.ports.queue import QueueAudit, TicketQueue


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """Figures of one moment. `queued` and `open` differ a little under traffic, and not at rest.

    `trusted`, `queued` and `open_claims` are None while Redis is away. `open_claims` stops counting at 1,000.
    """

    trusted: bool | None
    queued: Mapping[Priority, int] | None
    open_claims: int | None
    open: Mapping[Priority, int]
    oldest_open_s: float | None


class QueueStats:
    """Read the figures an operator asks for first."""

    def __init__(self, *, queue: TicketQueue, audit: QueueAudit, store: BacklogStore) -> None:
        self._queue = queue
        self._audit = audit
        self._store = store

    def read(self) -> QueueState:
        """Read both sides. Raises `StoreUnavailable`; Redis may be away."""
        backlog = self._store.backlog()
        try:
            return self._state(backlog)
        except QueueUnavailable:
            return QueueState(
                trusted=None, queued=None, open_claims=None, open=backlog.open, oldest_open_s=backlog.oldest_open_s
            )

    def _state(self, backlog: Backlog) -> QueueState:
        return QueueState(
            trusted=self._queue.is_trusted(),
            queued=self._queue.depths(),
            open_claims=len(self._audit.open_claims(older_than_s=0)),
            open=backlog.open,
            oldest_open_s=backlog.oldest_open_s,
        )
