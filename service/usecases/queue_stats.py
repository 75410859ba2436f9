"""The queue in figures: what Redis holds against what is open in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from service.domain.errors import QueueUnavailable
from service.domain.model import Priority
from service.usecases.ports.backlog import BacklogStore
from service.usecases.ports.queue import QueueAudit, TicketQueue


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """Figures of one moment. `queued` and `open` differ a little under traffic, and not at rest.

    `trusted`, `queued` and `open_claims` are None while Redis is away. `open_claims` stops counting at 1,000.
    `waited_s` says for each priority how long its oldest open ticket has been open, where there is one.
    """

    trusted: bool | None
    queued: Mapping[Priority, int] | None
    open_claims: int | None
    open: Mapping[Priority, int]
    oldest_open_s: float | None
    waited_s: Mapping[Priority, float] = field(default_factory=dict)


class QueueStats:
    """Read the figures an operator asks for first."""

    def __init__(self, *, queue: TicketQueue, audit: QueueAudit, store: BacklogStore) -> None:
        self._queue = queue
        self._audit = audit
        self._store = store

    def read(self) -> QueueState:
        """Read both sides. Raises `StoreUnavailable`; Redis may be away."""
        backlog = self._store.backlog()
        away = QueueState(
            trusted=None,
            queued=None,
            open_claims=None,
            open=backlog.open,
            oldest_open_s=max(backlog.waited_s.values(), default=None),
            waited_s=backlog.waited_s,
        )
        try:
            return self._state(away)
        except QueueUnavailable:
            return away

    def _state(self, away: QueueState) -> QueueState:
        return replace(
            away,
            trusted=self._queue.is_trusted(),
            queued=self._queue.depths(),
            open_claims=len(self._audit.open_claims(older_than_s=0)),
        )
