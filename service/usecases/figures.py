"""The service in figures, for the metrics: what is waiting, what was dealt how, what drifted, what holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from service.domain.errors import QueueUnavailable, StoreUnavailable
from service.domain.model import Priority
from service.domain.service_levels import Targets
from service.usecases.ports.dispatch import DispatchDay, DispatchStore
from service.usecases.ports.figures import CheckedInvariant, FigureStore, MailFigures, ReconciliationFigures
from service.usecases.ports.queue import TicketQueue
from service.usecases.ports.webhooks import WebhookFigures
from service.usecases.queue_stats import QueueState, QueueStats
from service.usecases.webhooks import Webhooks


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The figures of one moment; None where the part that knows them is away."""

    queue: QueueState | None
    assign_s: Mapping[Priority, int]
    """How long a ticket of each priority may wait for its assignment, s."""
    inversions: int | None
    reconciliations: ReconciliationFigures | None
    invariants: Sequence[CheckedInvariant]
    mails: MailFigures | None = None
    webhooks: WebhookFigures | None = None
    dispatch: DispatchDay | None = None


class Figures:
    """Read everything the metrics show, as far as it can be read."""

    def __init__(
        self,
        *,
        stats: QueueStats,
        queue: TicketQueue,
        store: FigureStore,
        targets: Targets,
        dispatch: DispatchStore,
        webhooks: Webhooks,
    ) -> None:
        self._stats = stats
        self._queue = queue
        self._store = store
        self._targets = targets
        self._dispatch = dispatch
        self._webhooks = webhooks

    def read(self) -> State:
        """Read the figures. Never raises: a part that is away is what the metrics are there to show."""
        state: QueueState | None = None
        reconciliations: ReconciliationFigures | None = None
        invariants: Sequence[CheckedInvariant] = ()
        mails: MailFigures | None = None
        dispatch: DispatchDay | None = None
        inversions: int | None = None
        webhooks: WebhookFigures | None = None
        with suppress(StoreUnavailable):
            state = self._stats.read()
            reconciliations = self._store.reconciliations()
            invariants = self._store.invariants()
            mails = self._store.mails()
            webhooks = self._webhooks.figures()
            dispatch = self._dispatch.last_day()
        with suppress(QueueUnavailable):
            inversions = self._queue.inversions()
        return State(
            queue=state,
            assign_s=self._targets.assign_s,
            inversions=inversions,
            reconciliations=reconciliations,
            invariants=invariants,
            mails=mails,
            webhooks=webhooks,
            dispatch=dispatch,
        )
