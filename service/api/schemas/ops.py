"""Operations as JSON: the queue in figures, the invariants, the reconciler's runs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from service.api.schemas.fields import Flag, Id, Several
from service.api.schemas.paging import PageAnswer, Paging
from service.api.schemas.shape import Answer, Input, documented
from service.domain.model import Priority
from service.usecases.invariants import InvariantResult
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.reconcile import Reconciliation, RunStatus, Tier
from service.usecases.queue_stats import QueueState


class Depths(Answer):
    """A count for each priority."""

    high: int
    medium: int
    low: int


class Waits(Answer):
    """How long the oldest unassigned ticket of each priority has waited, seconds; null where there is none."""

    high: float | None
    medium: float | None
    low: float | None


class QueueAnswer(Answer):
    """The queue in figures; null is what only Redis knows, while it is away."""

    trusted: bool | None = Field(description="False after a flush, until the queue is rebuilt")
    queued: Depths | None = Field(description="Ids in Redis")
    open: Depths = Field(description="Unassigned tickets in PostgreSQL")
    open_claims: int | None = Field(description="Fetches in flight; stops counting at 1,000")
    oldest_open_s: float | None = Field(description="How long the oldest unassigned ticket has waited, seconds")
    waited_s: Waits


class InvariantsQuery(Input):
    """How strictly to judge."""

    at_rest: bool = Field(
        default=False, description="Judge queue against database too, which is fair only while nobody works"
    )


class InvariantAnswer(Answer):
    """One promise, and whether it holds."""

    code: str
    title: str
    ok: bool | None = Field(description="null: could not be judged")
    violations: int
    examples: list[str]
    note: str
    informational: bool = Field(description="Reported, but not counted against `ok`")


class InvariantsAnswer(Answer):
    """All promises, and whether they hold together."""

    ok: bool
    invariants: list[InvariantAnswer]


class RunPath(Input):
    """Which reconciliation."""

    run_id: Id


class RunInput(Input):
    """What to reconcile."""

    model_config = documented({"tier": "full", "dry_run": True}, optional=True)

    tier: Tier = Field(default=Tier.FULL, description="`fast`: what is recent; `full`: everything")
    dry_run: Flag = Field(default=False, description="Report, and change nothing")


class RunQuery(Paging):
    """Which runs to list, and which page of them."""

    sort: Annotated[str, StringConstraints(pattern=r"^-?[a-z_]{1,40}$")] = Field(
        default="-id", description="Key to sort by; a leading `-` turns the order round"
    )
    tier: Annotated[list[Tier], Several] = Field(default=[], description="Tiers to list; left out: both")
    status: Annotated[list[RunStatus], Several] = Field(default=[], description="States to list; left out: all")

    def request(self) -> PageRequest:
        """Say it in the use cases' words."""
        return PageRequest(limit=self.limit, cursor=self.cursor, sort=self.sort)


class RunAnswer(Answer):
    """One run of the reconciler; its findings are counted by kind."""

    id: int
    tier: Tier
    trigger: str
    dry_run: bool
    status: RunStatus
    requested_by: int | None
    requested_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    found: dict[str, int]
    confirmed: dict[str, int]
    repaired: dict[str, int]
    false_candidates: dict[str, int]
    rows_compared: int
    oldest_drift_ms: int | None
    repair_ms: int | None
    error: str | None


class RunPage(PageAnswer):
    """One page of runs."""

    items: list[RunAnswer]


def queue_json(state: QueueState) -> dict[str, Any]:
    """Describe the queue."""
    return {
        "trusted": state.trusted,
        "queued": None if state.queued is None else {p.value: state.queued.get(p, 0) for p in Priority},
        "open": {p.value: state.open.get(p, 0) for p in Priority},
        "open_claims": state.open_claims,
        "oldest_open_s": state.oldest_open_s,
        "waited_s": {p.value: state.waited_s.get(p) for p in Priority},
    }


def invariant_json(result: InvariantResult) -> dict[str, Any]:
    """Describe one promise."""
    return {
        "code": result.code,
        "title": result.title,
        "ok": result.ok,
        "violations": result.violations,
        "examples": list(result.examples),
        "note": result.note,
        "informational": result.informational,
    }


def run_json(run: Reconciliation) -> dict[str, Any]:
    """Describe a run."""
    return {
        "id": run.id,
        "tier": run.tier,
        "trigger": run.trigger,
        "dry_run": run.dry_run,
        "status": run.status,
        "requested_by": run.requested_by,
        "requested_at": run.requested_at,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "found": dict(run.found),
        "confirmed": dict(run.confirmed),
        "repaired": dict(run.repaired),
        "false_candidates": dict(run.false_candidates),
        "rows_compared": run.rows_compared,
        "oldest_drift_ms": run.oldest_drift_ms,
        "repair_ms": run.repair_ms,
        "error": run.error,
    }
