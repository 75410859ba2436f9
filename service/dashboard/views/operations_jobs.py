"""The background jobs: who does them, and those that failed, to be started again or removed."""

from __future__ import annotations

from flask import Response, url_for

from service.api.services import services
from service.dashboard import condition
from service.dashboard.blueprint import allow, dashboard
from service.dashboard.notices import say
from service.dashboard.rendering import go, is_unchanged, page, tag, unchanged
from service.domain.model import Role

POLL_S = 5


@dashboard.get("/operations/jobs")
@allow(Role.OPERATOR, Role.ADMIN)
def operations_jobs() -> Response:
    """Show workers, queues and failed jobs."""
    jobs = services().operations.overview().jobs
    failures = services().operations.failures() if jobs is not None else ()
    etag = tag("jobs", jobs, failures)
    if is_unchanged(etag):
        return unchanged(etag)
    return page(
        "operations_jobs.html",
        jobs=jobs,
        failures=failures,
        lane_words=condition.lane_words,
        poll_s=POLL_S,
        etag=etag,
    )


@dashboard.post("/operations/jobs/<job_id>/requeue")
@allow(Role.OPERATOR, Role.ADMIN)
def operations_job_requeue(job_id: str) -> Response:
    """Let a failed job run again. Twice does no harm: the second time it is no failed job any more."""
    services().operations.requeue(job_id)
    say("done", "The job waits for a worker again.")
    return go(url_for("dashboard.operations_jobs"))


@dashboard.get("/operations/jobs/<job_id>/forget")
@allow(Role.OPERATOR, Role.ADMIN)
def operations_job_forget_asked(job_id: str) -> Response:
    """Ask before a failed job is removed."""
    return page("operations_job_forget.html", job=services().operations.failure(job_id))


@dashboard.post("/operations/jobs/<job_id>/forget")
@allow(Role.OPERATOR, Role.ADMIN)
def operations_job_forget(job_id: str) -> Response:
    """Remove a failed job, its error with it."""
    services().operations.forget(job_id)
    say("done", "The failed job is removed.")
    return go(url_for("dashboard.operations_jobs"))
