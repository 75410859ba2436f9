"""The queue thrown away and built anew from PostgreSQL, because somebody asks for it."""

from __future__ import annotations

from service.usecases.ports.queue import QueueAudit
from service.usecases.ports.reconcile import Progress, Reconciliation, Tier
from service.usecases.reconcile import Reconciler

TRIGGER = "rebuild"


class QueueRebuild:
    """Distrust the queue, so that the next full run builds it anew, and run at once."""

    def __init__(self, *, audit: QueueAudit, reconciler: Reconciler) -> None:
        self._audit = audit
        self._reconciler = reconciler

    def run(self, *, requested_by: int | None = None, progress: Progress | None = None) -> Reconciliation:
        """Rebuild the queue and return the record of the run.

        If this run fails or is skipped, PostgreSQL serves until another has rebuilt the queue. Raises
        `QueueUnavailable`, `StoreUnavailable`.
        """
        self._audit.distrust()
        return self._reconciler.run(tier=Tier.FULL, trigger=TRIGGER, requested_by=requested_by, progress=progress)
