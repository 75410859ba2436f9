"""The jobs: ids come in, one use case is called. What goes wrong is recorded there, not raised at RQ."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from rq import get_current_job

from service import origin
from service.bootstrap import Container
from service.domain.errors import FairdealError
from service.observability import request_id
from service.tracing import Span, Tracer, around
from service.usecases.ports.reconcile import Tier
from workers import parts

log = logging.getLogger(__name__)

NICENESS = 10
"""How far a job steps back for requests: on a busy machine it then gets a tenth of what a request gets."""


@contextmanager
def _at_work(trouble: str, **about: object) -> Iterator[Container]:
    """Lend the wired parts, and log as `trouble` what stops the job.

    A job that has a process of its own opens what it needs and closes it again; jobs that share one (`workers.parts`)
    leave it open for the next.
    """
    with parts.lent() as container:
        try:
            with around(_span(container.tracer)):
                yield container
        except FairdealError as exc:
            log.warning(trouble, extra={**about, "code": exc.code, "why": exc.detail})


def _span(tracer: Tracer | None) -> Span | None:
    """Begin the span of the present job, as part of the request that called for it."""
    job = get_current_job()
    if tracer is None or job is None:
        return None
    parent = {"traceparent": origin.traceparent.get() or ""}
    about = {"messaging.system": "rq", "messaging.message.id": job.id, "fairdeal.request_id": request_id.get() or ""}
    return tracer.root(f"job {job.func_name}", about, parent=parent, of_job=True)


def reconcile(tier: str, trigger: str, run_id: int | None = None) -> None:
    """Run the reconciler once; with `run_id`, the run that was requested under it."""
    with _at_work("reconciliation_impossible", tier=tier) as container:
        container.reconciler.run(tier=Tier(tier), trigger=trigger, run_id=run_id, step_back=_step_back)


def import_tickets(import_id: int) -> None:
    """Carry an import on for a while."""
    with _at_work("import_interrupted", import_id=import_id) as container:
        _step_back()
        container.imports.run(import_id)


def return_untouched() -> None:
    """Put back what agents have not begun who have been away for too long."""
    with _at_work("returning_impossible") as container:
        container.away_returns.run()


def limit_holds() -> None:
    """Warn of tickets that have lain untouched for long, and put back those that were warned of in time."""
    with _at_work("limiting_impossible") as container:
        container.hold_limits.run()


def send_mails() -> None:
    """Write the mails that the history calls for, and send what is due."""
    with _at_work("mailing_interrupted") as container:
        container.mailing.run()


def send_webhooks() -> None:
    """Tell webhooks of what happened, as far as it is due."""
    with _at_work("webhooks_interrupted") as container:
        container.webhook_sending.run()


def tidy_webhooks() -> None:
    """Remove deliveries that are kept no longer, and pass over what nobody wants to be told of."""
    with _at_work("tidying_impossible") as container:
        _step_back()
        container.webhook_sending.tidy()


def archive() -> None:
    """Move what is closed for long to the archive, for a while."""
    with _at_work("archiving_impossible") as container:
        _step_back()
        container.archiving.work()


def tidy_tries() -> None:
    """Remove tries at passwords that count no more."""
    with _at_work("tidying_impossible") as container:
        _step_back()
        container.throttle.tidy()


def dispatch() -> None:
    """Give what waits to the agents who take it unasked."""
    with _at_work("dispatch_impossible") as container:
        container.dispatcher.answer()


def _step_back() -> None:
    """Let requests come first from now on; the job's process ends with the job."""
    os.nice(NICENESS)
