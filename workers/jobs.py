"""The jobs: ids come in, one use case is called. What goes wrong is recorded there, not raised at RQ."""

from __future__ import annotations

import logging

from service.bootstrap import build_container
from service.config import load
from service.domain.errors import FairdealError
from service.usecases.ports.reconcile import Tier

log = logging.getLogger(__name__)


def reconcile(tier: str, trigger: str, run_id: int | None = None) -> None:
    """Run the reconciler once; with `run_id`, the run that was requested under it.

    Each job runs in a process of its own, so it opens what it needs and closes it again.
    """
    container = build_container(load())
    try:
        container.reconciler.run(tier=Tier(tier), trigger=trigger, run_id=run_id)
    except FairdealError as exc:
        log.warning("reconciliation_impossible", extra={"tier": tier, "code": exc.code, "why": exc.detail})
    finally:
        container.close()
