"""One row for each run: see `service.usecases.ports.reconcile.ReconciliationStore` for what each method promises."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, Row, TextClause, bindparam, insert, select, text
from sqlalchemy.dialects.postgresql import JSONB

from service.domain.model import Page
from service.store.engine import statement
from service.store.paging import keyset_page
from service.store.tables import reconciliations
from service.usecases.ports.paging import PageRequest
from service.usecases.ports.reconcile import Outcome, Reconciliation, RunFilter, RunRequest, RunStatus, Tier

_COUNTS = ("found", "confirmed", "repaired", "false_candidates")


def _counted(sql: str) -> TextClause:
    return text(sql).bindparams(*(bindparam(name, type_=JSONB) for name in _COUNTS))


BEGIN_REQUESTED = text("""
UPDATE reconciliations SET status = 'running', started_at = clock_timestamp()
WHERE id = :id AND status = 'queued'
""")

FINISH = _counted("""
UPDATE reconciliations
SET status = :status, finished_at = clock_timestamp(), found = :found, confirmed = :confirmed, repaired = :repaired,
    false_candidates = :false_candidates, rows_compared = :rows_compared, oldest_drift_ms = :oldest_drift_ms,
    error = :error, started_at = coalesce(started_at, clock_timestamp())
WHERE id = :id
RETURNING *
""")

# A run that comes every two seconds and finds what the one before found, and mended nothing, prolongs that row.
FOLD = _counted("""
UPDATE reconciliations
SET finished_at = clock_timestamp(), rows_compared = :rows_compared
WHERE id = (SELECT max(id) FROM reconciliations WHERE tier = :tier AND trigger = :trigger)
  AND started_at > clock_timestamp() - CAST(:fold_within_s AS double precision) * interval '1 second'
  AND NOT dry_run AND status = :status AND found = :found AND confirmed = :confirmed
  AND repaired = :repaired AND repaired = '{}'
  AND false_candidates = :false_candidates AND error IS NOT DISTINCT FROM CAST(:error AS text)
RETURNING *
""")

RECORD = _counted("""
INSERT INTO reconciliations
    (tier, trigger, dry_run, requested_by, status, started_at, finished_at, found, confirmed, repaired,
     false_candidates, rows_compared, oldest_drift_ms, error)
VALUES
    (:tier, :trigger, :dry_run, :requested_by, :status,
     clock_timestamp() - CAST(:duration_s AS double precision) * interval '1 second', clock_timestamp(),
     :found, :confirmed, :repaired, :false_candidates, :rows_compared, :oldest_drift_ms, :error)
RETURNING *
""")

FAIL_ABANDONED = text("""
UPDATE reconciliations
SET status = 'failed', finished_at = clock_timestamp(),
    error = CASE status WHEN 'running' THEN 'The process that ran it died' ELSE 'No worker took it up' END
WHERE id IS DISTINCT FROM CAST(:besides AS bigint)
  AND (status = 'running'
       OR (status = 'queued'
           AND requested_at < clock_timestamp() - CAST(:waiting_s AS double precision) * interval '1 second'))
""")

PRUNE_RUNS = text("""
DELETE FROM reconciliations WHERE id IN (
    SELECT id FROM (SELECT id, requested_at FROM reconciliations ORDER BY id LIMIT :limit) AS oldest
    WHERE requested_at < now() - CAST(:age_s AS double precision) * interval '1 second')
""")

# What a DELETE takes is chosen before it, and once: a subquery may be asked anew for each row of the table, and then
# finds others in the place of those that are deleted already, whatever its LIMIT.
PRUNE_CLAIMS = text("""
WITH old AS MATERIALIZED (
    SELECT id FROM claims
    WHERE at < now() - CAST(:age_s AS double precision) * interval '1 second'
    ORDER BY at LIMIT :limit FOR UPDATE SKIP LOCKED
)
DELETE FROM claims c USING old WHERE c.id = old.id
""")

PRUNE_KEYS = text("""
WITH old AS MATERIALIZED (
    SELECT user_id, key FROM idempotency_keys
    WHERE created_at < now() - CAST(:age_s AS double precision) * interval '1 second'
    ORDER BY created_at LIMIT :limit FOR UPDATE SKIP LOCKED
)
DELETE FROM idempotency_keys k USING old WHERE k.user_id = old.user_id AND k.key = old.key
""")

# Over since the earlier of the two times (LEAST passes over NULL). No index: one on `expires_at` would cost every
# refresh its in-place update, to spare the reconciler one look over a table that this keeps small.
PRUNE_SESSIONS = text("""
WITH old AS MATERIALIZED (
    SELECT id FROM sessions
    WHERE LEAST(expires_at, revoked_at) < now() - CAST(:age_s AS double precision) * interval '1 second'
    ORDER BY LEAST(expires_at, revoked_at) LIMIT :limit FOR UPDATE SKIP LOCKED
)
DELETE FROM sessions s USING old WHERE s.id = old.id
""")

# Few rows, and no index for this: they are gone after a month.
PRUNE_IMPORTS = text("""
WITH old AS MATERIALIZED (
    SELECT id FROM imports WHERE finished_at < now() - CAST(:age_s AS double precision) * interval '1 second'
    ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
),
parts AS (DELETE FROM import_parts p USING old WHERE p.import_id = old.id)
DELETE FROM imports i USING old WHERE i.id = old.id
""")

SORT_KEYS = {"id": reconciliations.c.id, "requested_at": reconciliations.c.requested_at}


class PostgresReconciliations:
    """Keep the records of the runs in PostgreSQL."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def request(self, wanted: RunRequest) -> Reconciliation:
        """Insert a row that waits."""
        return self._insert(wanted, RunStatus.QUEUED)

    def begin(self, wanted: RunRequest) -> Reconciliation:
        """Insert a row that runs."""
        return self._insert(wanted, RunStatus.RUNNING)

    def _insert(self, wanted: RunRequest, status: RunStatus) -> Reconciliation:
        values = _request_values(wanted) | {"status": status.value}
        if status is RunStatus.RUNNING:
            values["started_at"] = text("clock_timestamp()")
        with statement(self._engine) as connection:
            row = connection.execute(insert(reconciliations).values(values).returning(*reconciliations.c)).one()
        return _run(row)

    def begin_requested(self, run_id: int) -> bool:
        """Begin, once, what waits under this id."""
        with statement(self._engine) as connection:
            return connection.execute(BEGIN_REQUESTED, {"id": run_id}).rowcount == 1

    def finish(self, run_id: int, outcome: Outcome) -> Reconciliation:
        """Write the outcome."""
        with statement(self._engine) as connection:
            return _run(connection.execute(FINISH, _outcome_values(outcome) | {"id": run_id}).one())

    def record(
        self, wanted: RunRequest, outcome: Outcome, *, duration_s: float, fold_within_s: float
    ) -> Reconciliation:
        """Prolong the newest row, if it says the same, else insert one."""
        values = _outcome_values(outcome) | _request_values(wanted)
        with statement(self._engine) as connection:
            row = connection.execute(FOLD, values | {"fold_within_s": fold_within_s}).one_or_none()
            if row is None:
                row = connection.execute(RECORD, values | {"duration_s": duration_s}).one()
        return _run(row)

    def get(self, run_id: int) -> Reconciliation | None:
        """Read one row."""
        with statement(self._engine) as connection:
            query = select(*reconciliations.c).where(reconciliations.c.id == run_id)
            row = connection.execute(query).one_or_none()
        return None if row is None else _run(row)

    def page(self, wanted: RunFilter, request: PageRequest) -> Page[Reconciliation]:
        """Read one page."""
        query = select(*reconciliations.c)
        if wanted.tiers:
            query = query.where(reconciliations.c.tier.in_([tier.value for tier in wanted.tiers]))
        if wanted.statuses:
            query = query.where(reconciliations.c.status.in_([status.value for status in wanted.statuses]))
        with statement(self._engine) as connection:
            return keyset_page(
                connection, select=query, columns=SORT_KEYS, id_column=reconciliations.c.id, request=request, build=_run
            )

    def fail_abandoned(self, *, besides: int | None, waiting_longer_than_s: float) -> int:
        """Close the rows that nobody will."""
        values = {"besides": besides, "waiting_s": waiting_longer_than_s}
        with statement(self._engine) as connection:
            return connection.execute(FAIL_ABANDONED, values).rowcount

    def prune(self, *, runs_older_than_s: float, claims_older_than_s: float, limit: int) -> int:
        """Delete the oldest first, so that a batch is a walk along an index."""
        with statement(self._engine) as connection:
            old = {"age_s": runs_older_than_s, "limit": limit}
            runs = sum(connection.execute(prune, old).rowcount for prune in (PRUNE_RUNS, PRUNE_IMPORTS))
            aged = {"age_s": claims_older_than_s, "limit": limit}
            pruned = [connection.execute(prune, aged).rowcount for prune in (PRUNE_CLAIMS, PRUNE_KEYS, PRUNE_SESSIONS)]
        return runs + sum(pruned)


def _request_values(wanted: RunRequest) -> dict[str, Any]:
    return {
        "tier": wanted.tier.value,
        "trigger": wanted.trigger,
        "dry_run": wanted.dry_run,
        "requested_by": wanted.requested_by,
    }


def _outcome_values(outcome: Outcome) -> dict[str, Any]:
    counts = {name: dict(getattr(outcome, name)) for name in _COUNTS}
    return {
        **counts,
        "status": outcome.status.value,
        "rows_compared": outcome.rows_compared,
        "oldest_drift_ms": outcome.oldest_drift_ms,
        "error": outcome.error,
    }


def _run(row: Row[Any]) -> Reconciliation:
    values = row._mapping
    return Reconciliation(**{**values, "tier": Tier(values["tier"]), "status": RunStatus(values["status"])})
