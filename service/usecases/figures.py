"""The service in figures, for the metrics: what is waiting, what was dealt how, what drifted, what holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from service.domain.errors import QueueUnavailable, StoreUnavailable
from service.domain.model import Priority
from service.domain.service_levels import Targets
from service.usecases.ports.archive import SweepState, SweepStates
from service.usecases.ports.dispatch import DispatchDay, DispatchStore
from service.usecases.ports.figures import (
    CheckedInvariant,
    FigureStore,
    JobCount,
    JobCounts,
    MailFigures,
    ReconciliationFigures,
)
from service.usecases.ports.operations import JobsState, JobWatch, LoadStep, SampleStore
from service.usecases.ports.queue import TicketQueue
from service.usecases.ports.reconcile import Leases
from service.usecases.ports.webhooks import WebhookFigures
from service.usecases.queue_stats import QueueState, QueueStats
from service.usecases.reconciliation.schedule import LEASE
from service.usecases.webhooks import Webhooks

T = TypeVar("T")


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
    loads: Sequence[LoadStep] | None = None
    is_clock_kept: bool | None = None
    jobs: JobsState | None = None
    job_counts: Sequence[JobCount] | None = None
    sweeps: Sequence[SweepState] | None = None


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
        samples: SampleStore,
        leases: Leases,
        jobs: JobWatch,
        job_counts: JobCounts,
        sweeps: SweepStates,
    ) -> None:
        self._stats = stats
        self._queue = queue
        self._store = store
        self._targets = targets
        self._dispatch = dispatch
        self._webhooks = webhooks
        self._samples = samples
        self._leases = leases
        self._jobs = jobs
        self._job_counts = job_counts
        self._sweeps = sweeps

    def read(self) -> State:
        """Read the figures. Never raises: a part that is away is what the metrics are there to show.

        A part that did not answer is not asked again, or a scrape would wait for it once for each figure.
        """
        stored, queued = _Part(StoreUnavailable), _Part(QueueUnavailable)
        return State(
            queue=stored.ask(self._stats.read),
            assign_s=self._targets.assign_s,
            reconciliations=stored.ask(self._store.reconciliations),
            invariants=stored.ask(self._store.invariants) or (),
            mails=stored.ask(self._store.mails),
            webhooks=stored.ask(self._webhooks.figures),
            dispatch=stored.ask(self._dispatch.last_day),
            loads=stored.ask(self._samples.loads),
            is_clock_kept=stored.ask(partial(_is_kept, self._leases)),
            sweeps=stored.ask(self._sweeps.states),
            inversions=queued.ask(self._queue.inversions),
            jobs=queued.ask(self._jobs.state),
            job_counts=queued.ask(self._job_counts.read),
        )


def _is_kept(leases: Leases) -> bool:
    return leases.holder(LEASE) is not None


class _Part:
    """Ask a part of the service until it fails to answer once."""

    def __init__(self, silence: type[Exception]) -> None:
        self._silence = silence
        self._answers = True

    def ask(self, question: Callable[[], T]) -> T | None:
        """Answer None when the part is away."""
        if not self._answers:
            return None
        self._answers = False
        with suppress(self._silence):
            answer = question()
            self._answers = True
            return answer
        return None
