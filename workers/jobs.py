"""The jobs: ids come in, one use case is called. What goes wrong is recorded there, not raised at RQ."""

from __future__ import annotations

import logging
import os

from service.bootstrap import build_container
from service.config import load
from service.domain.errors import FairdealError
from service.usecases.ports.reconcile import Tier

log = logging.getLogger(__name__)

NICENESS = 10
"""How far a job steps back for requests: on a busy machine it then gets a tenth of what a request gets."""


def reconcile(tier: str, trigger: str, run_id: int | None = None) -> None:
    """Run the reconciler once; with `run_id`, the run that was requested under it.

    Each job runs in a process of its own, so it opens what it needs and closes it again.
    """
    container = build_container(load())
    try:
        container.reconciler.run(tier=Tier(tier), trigger=trigger, run_id=run_id, step_back=_step_back)
    except FairdealError as exc:
        log.warning("reconciliation_impossible", extra={"tier": tier, "code": exc.code, "why": exc.detail})
    finally:
        container.close()


def import_tickets(import_id: int) -> None:
    """Carry an import on for a while."""
    container = build_container(load())
    try:
        _step_back()
        container.imports.run(import_id)
    except FairdealError as exc:
        log.warning("import_interrupted", extra={"import_id": import_id, "code": exc.code, "why": exc.detail})
    finally:
        container.close()


def return_untouched() -> None:
    """Put back what agents have not begun who have been away for too long."""
    container = build_container(load())
    try:
        container.away_returns.run()
    except FairdealError as exc:
        log.warning("returning_impossible", extra={"code": exc.code, "why": exc.detail})
    finally:
        container.close()


def dispatch() -> None:
    """Give what waits to the agents who take it unasked."""
    container = build_container(load())
    try:
        container.dispatcher.answer()
    except FairdealError as exc:
        log.warning("dispatch_impossible", extra={"code": exc.code, "why": exc.detail})
    finally:
        container.close()


def _step_back() -> None:
    """Let requests come first from now on; the job's process ends with the job."""
    os.nice(NICENESS)
