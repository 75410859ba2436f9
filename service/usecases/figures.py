"""The service in figures, for the metrics: what is waiting, what was dealt how, what drifted, what holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from service.domain.errors import QueueUnavailable, StoreUnavailable
from service.domain.model import Priority
from service.domain.service_levels import Targets
from service.usecases.ports.figures import CheckedInvariant, FigureStore, ReconciliationFigures
from service.usecases.ports.queue import TicketQueue
from service.usecases.queue_stats import QueueState, QueueStats


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The figures of one moment; None where the part that knows them is away."""

    queue: QueueState | None
    assign_s: Mapping[Priority, int]
    """How long a ticket of each priority may wait for its assignment, s."""
    inversions: int | None
    reconciliations: ReconciliationFigures | None
    invariants: Sequence[CheckedInvariant]


class Figures:
    """Read everything the metrics show, as far as it can be read."""

    def __init__(self, *, stats: QueueStats, queue: TicketQueue, store: FigureStore, targets: Targets) -> None:
        self._stats = stats
        self._queue = queue
        self._store = store
        self._targets = targets

    def read(self) -> State:
        """Read the figures. Never raises: a part that is away is what the metrics are there to show."""
        state: QueueState | None = None
        reconciliations: ReconciliationFigures | None = None
        invariants: Sequence[CheckedInvariant] = ()
        inversions: int | None = None
        with suppress(StoreUnavailable):
            state = self._stats.read()
            reconciliations = self._store.reconciliations()
            invariants = self._store.invariants()
        with suppress(QueueUnavailable):
            inversions = self._queue.inversions()
        return State(
            queue=state,
            assign_s=self._targets.assign_s,
            inversions=inversions,
            reconciliations=reconciliations,
            invariants=invariants,
        )
