"""What operators watch: figures now and over time, the parts' health, and the reconciler's runs."""

from __future__ import annotations

from uuid import UUID

from flask import Response, abort, request, url_for

from service.api.access import caller
from service.api.services import services
from service.dashboard import charts, condition
from service.dashboard.blueprint import allow, dashboard
from service.dashboard.forms import choice
from service.dashboard.notices import say
from service.dashboard.once import once
from service.dashboard.rendering import go, is_unchanged, page, tag, unchanged
from service.domain.model import Role
from service.usecases.operations import Overview, Span
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.reconcile import Tier

POLL_S = 5
"""Pause between two looks of an open page, s. Figures are shared for three: looking oftener would show nothing new."""

LIST_POLL_S = 5
RUNS_SHOWN = 6
RUNS_A_PAGE = 25
MOST_HELD = 15


@dashboard.get("/operations")
@allow(Role.OPERATOR, Role.ADMIN)
def operations() -> Response:
    """Show how the service does; 304 where it does as it did at the browser's last look."""
    span = _span()
    overview = services().operations.overview()
    course = services().operations.course(span)
    runs = services().reconciliations.page(PageRequest(limit=RUNS_SHOWN, sort="-id")).items
    etag = tag("operations", _version(overview), course, runs)
    if is_unchanged(etag):
        return unchanged(etag)
    return page(
        "operations.html",
        overview=overview,
        parts=condition.parts(overview),
        charts=charts.charts(course),
        course=course,
        spans=charts.SPAN_WORDS,
        span=span,
        loads=_loads(overview),
        most_agents=max((step.available + step.away for step in overview.loads), default=0),
        runs=runs,
        poll_s=POLL_S,
        etag=etag,
    )


@dashboard.get("/operations/figures/<name>")
@allow(Role.OPERATOR, Role.ADMIN)
def operations_figures(name: str) -> Response:
    """Show a chart as a table."""
    if name not in charts.PLANS:
        abort(404)
    span = _span()
    shown = charts.chart(name, services().operations.course(span))
    return page("operations_figures.html", chart=shown, spans=charts.SPAN_WORDS, span=span)


@dashboard.get("/operations/reconciliations")
@allow(Role.OPERATOR, Role.ADMIN)
def operations_runs() -> Response:
    """List the reconciler's runs, the newest first."""
    wanted = PageRequest(limit=RUNS_A_PAGE, sort="-id", cursor=request.args.get("cursor"))
    found = services().reconciliations.page(wanted)
    etag = tag("runs", found)
    if is_unchanged(etag):
        return unchanged(etag)
    return page("operations_runs.html", found=found, poll_s=LIST_POLL_S, etag=etag)


@dashboard.get("/operations/reconciliations/new")
@allow(Role.OPERATOR, Role.ADMIN)
def operations_run_asked() -> Response:
    """Ask before a run that repairs, and say what it will look at."""
    return page("operations_run.html", overview=services().operations.overview())


@dashboard.post("/operations/reconciliations")
@allow(Role.OPERATOR, Role.ADMIN)
def operations_run() -> Response:
    """Have the reconciler run: dry, unless `act` says otherwise."""
    tier = choice("tier", Tier)
    is_dry = request.form.get("act") != "run"

    def ask(_: UUID | None) -> str:
        run = services().reconciliations.request(
            tier=tier, dry_run=is_dry, requested_by=caller().user_id, trigger="page"
        )
        what = "a dry run, which changes nothing" if is_dry else "a run"
        say("done", f"Number {run.id}, {what}, waits for a worker. Its outcome will be shown here.")
        return url_for("dashboard.operations_runs")

    return go(once(ask))


def _span() -> Span:
    return choice("range", Span) if "range" in request.args else Span.HOUR


def _version(overview: Overview) -> tuple[object, ...]:
    """Take from an overview what is worth showing anew: neither how long an answer took nor when a worker was heard."""
    jobs = overview.jobs
    return (
        overview.queue.trusted,
        overview.queue.queued,
        overview.queue.open,
        overview.queue.open_claims,
        [(priority, round(since.timestamp() / 10)) for priority, since in overview.waiting_since.items()],
        overview.pace,
        overview.loads,
        [(name, part.ok, part.detail) for name, part in overview.health.parts.items()],
        jobs and (jobs.lanes, [worker.name for worker in jobs.workers]),
        overview.clock,
    )


def _loads(overview: Overview) -> list[tuple[int, int, int]]:
    """Count agents for each number of tickets in hand: how many available, how many away."""
    found = {step.held: step for step in overview.loads}
    return [
        (held, found[held].available, found[held].away) if held in found else (held, 0, 0)
        for held in range(MOST_HELD + 1)
    ]
