"""The queue in figures: what Redis holds against what is open in PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from service.domain.errors import QueueUnavailable
from service.domain.model import Priority
from service.usecases.ports.backlog import COUNTED_AT_ONCE, Backlog, BacklogStore
from service.usecases.ports.queue import QueueAudit, TicketQueue
from service.usecases.recent import Recent


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


LARGE_FOR_S = 15.0
"""How long the count of a large backlog is kept, unless it took very long: a million take 0.1 to 0.3 s to count."""


class QueueStats:
    """Read the figures an operator asks for first."""

    def __init__(
        self,
        *,
        queue: TicketQueue,
        audit: QueueAudit,
        store: BacklogStore,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queue = queue
        self._audit = audit
        self._store = store
        self._all = Recent(store.count_all, for_s=LARGE_FOR_S, clock=clock)

    def read(self) -> QueueState:
        """Read both sides. Raises `StoreUnavailable`; Redis may be away.

        What is open is counted anew as long as that is quickly done; the count of a large backlog, which every metrics
        scrape asks for, may be some seconds old.
        """
        backlog = self._store.backlog()
        away = QueueState(
            trusted=None,
            queued=None,
            open_claims=None,
            open=self._open(backlog),
            oldest_open_s=max(backlog.waited_s.values(), default=None),
            waited_s=backlog.waited_s,
        )
        try:
            return self._state(away)
        except QueueUnavailable:
            return away

    def _open(self, backlog: Backlog) -> Mapping[Priority, int]:
        if max(backlog.open.values()) < COUNTED_AT_ONCE:
            return backlog.open
        everything = self._all.get()
        return {
            priority: count if count < COUNTED_AT_ONCE else max(count, everything[priority])
            for priority, count in backlog.open.items()
        }

    def _state(self, away: QueueState) -> QueueState:
        return replace(
            away,
            trusted=self._queue.is_trusted(),
            queued=self._queue.depths(),
            open_claims=len(self._audit.open_claims(older_than_s=0)),
        )
