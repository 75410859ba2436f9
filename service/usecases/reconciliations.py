"""The records of the reconciler's runs, and asking for a run."""

from __future__ import annotations

from service.domain.errors import NotFound, QueueUnavailable
from service.domain.model import Page
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.reconcile import (
    JobQueue,
    Outcome,
    Reconciliation,
    ReconciliationStore,
    RunFilter,
    RunRequest,
    RunStatus,
    Tier,
)

JOB = "workers.jobs.reconcile"
"""The job that runs the reconciler; its arguments are the tier, the trigger and perhaps the id of a run requested."""


class Reconciliations:
    """List runs, and have one made."""

    def __init__(self, *, runs: ReconciliationStore, jobs: JobQueue) -> None:
        self._runs = runs
        self._jobs = jobs

    def request(
        self, *, tier: Tier, dry_run: bool = False, requested_by: int | None = None, trigger: str = "api"
    ) -> Reconciliation:
        """Note a run and hand it to the workers. Without Redis, mark it as failed and raise `QueueUnavailable`."""
        record = self._runs.request(RunRequest(tier=tier, trigger=trigger, dry_run=dry_run, requested_by=requested_by))
        try:
            self._jobs.enqueue(JOB, tier.value, trigger, record.id)
        except QueueUnavailable as exc:
            self._runs.finish(record.id, Outcome(status=RunStatus.FAILED, error=exc.detail))
            raise
        return record

    def get(self, run_id: int) -> Reconciliation:
        """Read one run. Raises `NotFound`."""
        record = self._runs.get(run_id)
        if record is None:
            raise NotFound(f"There is no reconciliation {run_id}")
        return record

    def page(
        self, request: PageRequest, *, tiers: tuple[Tier, ...] = (), statuses: tuple[RunStatus, ...] = ()
    ) -> Page[Reconciliation]:
        """List runs, filtered by tier and status. Raises `InvalidInput` for a cursor or a sort that is not ours."""
        return self._runs.page(RunFilter(tiers=tiers, statuses=statuses), request)
