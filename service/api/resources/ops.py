"""What operators watch and trigger."""

from __future__ import annotations

from flask import Response

from service.api import answers
from service.api.access import allow, caller
from service.api.openapi import outcomes, resource
from service.api.schemas.dispatch import DispatchAnswer, dispatch_json
from service.api.schemas.ops import (
    InvariantsAnswer,
    InvariantsQuery,
    QueueAnswer,
    RunAnswer,
    RunInput,
    RunPage,
    RunPath,
    RunQuery,
    invariant_json,
    queue_json,
    run_json,
)
from service.api.services import services
from service.domain.errors import NotFound, QueueUnavailable
from service.domain.model import Role
from service.usecases.invariants import all_hold

ops = resource("ops", "/api/ops", tag="Operations")


@ops.get("/queue", responses=outcomes(200, QueueAnswer))
@allow(Role.OPERATOR, Role.ADMIN)
def read_queue() -> Response:
    """Read the queue in figures."""
    return answers.answer(queue_json(services().queue_stats.read()))


@ops.get("/dispatch", responses=outcomes(200, DispatchAnswer))
@allow(Role.OPERATOR, Role.ADMIN)
def read_dispatch() -> Response:
    """Read who is given tickets unasked, what was given lately, and what can be given to nobody."""
    return answers.answer(dispatch_json(services().dispatch_report.read()))


@ops.get("/invariants", responses=outcomes(200, InvariantsAnswer, QueueUnavailable))
@allow(Role.OPERATOR, Role.ADMIN)
def check_invariants(query: InvariantsQuery) -> Response:
    """Check the promises the service makes."""
    results = services().invariants.check(at_rest=query.at_rest)
    return answers.answer({"ok": all_hold(results), "invariants": [invariant_json(result) for result in results]})


@ops.get("/reconciliations", responses=outcomes(200, RunPage))
@allow(Role.OPERATOR, Role.ADMIN)
def list_reconciliations(query: RunQuery) -> Response:
    """List the reconciler's runs, the newest first."""
    found = services().reconciliations.page(query.request(), tiers=tuple(query.tier), statuses=tuple(query.status))
    return answers.page(found, run_json)


@ops.post("/reconciliations", responses=outcomes(202, RunAnswer, QueueUnavailable))
@allow(Role.OPERATOR, Role.ADMIN)
def start_reconciliation(body: RunInput) -> Response:
    """Ask for a run; a worker takes it up."""
    run = services().reconciliations.request(tier=body.tier, dry_run=body.dry_run, requested_by=caller().user_id)
    response = answers.answer(run_json(run), 202)
    response.headers["Location"] = f"/api/ops/reconciliations/{run.id}"
    return response


@ops.get("/reconciliations/<id:run_id>", responses=outcomes(200, RunAnswer, NotFound))
@allow(Role.OPERATOR, Role.ADMIN)
def read_reconciliation(path: RunPath) -> Response:
    """Read one run."""
    return answers.answer(run_json(services().reconciliations.get(path.run_id)))
