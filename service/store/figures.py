"""Figures for the metrics: see `service.usecases.ports.figures.FigureStore` for what each method promises."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine, text

from service.store.engine import statement
from service.usecases.ports.figures import CheckedInvariant, MailFigures, ReconciliationFigures
from service.usecases.ports.mails import MailState

KEEP = text("""
INSERT INTO invariant_checks (code, ok, violations) VALUES (:code, :ok, :violations)
ON CONFLICT (code) DO UPDATE SET ok = excluded.ok, violations = excluded.violations, checked_at = now()
""")

READ = text("""
SELECT code, ok, violations, extract(epoch FROM now() - checked_at)::double precision AS age_s
FROM invariant_checks ORDER BY length(code), code
""")

RECENT = "SELECT * FROM reconciliations WHERE NOT dry_run AND requested_at > now() - interval '1 day'"

KINDS = text(f"""
SELECT what.name AS what, kind.key AS kind, sum(CAST(kind.value AS bigint))::bigint AS total
FROM ({RECENT}) AS run
CROSS JOIN LATERAL (VALUES ('found', run.found), ('repaired', run.repaired)) AS what (name, counts)
CROSS JOIN LATERAL jsonb_each_text(what.counts) AS kind
GROUP BY what.name, kind.key
""")  # noqa: S608 - the text is our own

RUNS = text(f"""
SELECT status, count(*) AS runs,
       extract(epoch FROM now() - max(finished_at) FILTER (WHERE status = 'done'))::double precision AS last_s
FROM ({RECENT}) AS run GROUP BY status
""")  # noqa: S608 - the text is our own

TOTALS = text("SELECT what, kind, total FROM drift_totals")

MAILS = text("""
SELECT state, count(*) AS mails,
       extract(epoch FROM clock_timestamp() - min(created_at) FILTER (WHERE state IN ('waiting', 'sending')))
           ::double precision AS oldest_s
FROM mails WHERE state <> 'sent' GROUP BY state
UNION ALL
SELECT 'sent', count(*), NULL FROM mails WHERE settled_at > now() - interval '1 day' AND state = 'sent'
""")


class PostgresFigures:
    """Keep and read figures in PostgreSQL."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def keep_invariants(self, checked: Sequence[CheckedInvariant]) -> None:
        """Write a row for each invariant."""
        rows = [{"code": one.code, "ok": one.ok, "violations": one.violations} for one in checked]
        with statement(self._engine) as connection:
            connection.execute(KEEP, rows)

    def invariants(self) -> Sequence[CheckedInvariant]:
        """Read all rows."""
        with statement(self._engine) as connection:
            return [CheckedInvariant(**row) for row in connection.execute(READ).mappings()]

    def reconciliations(self) -> ReconciliationFigures:
        """Add up the day's rows; there are some thousand at the most."""
        with statement(self._engine) as connection:
            kinds = connection.execute(KINDS).all()
            runs = connection.execute(RUNS).all()
            totals = connection.execute(TOTALS).all()
        return ReconciliationFigures(
            found={row.kind: row.total for row in kinds if row.what == "found"},
            repaired={row.kind: row.total for row in kinds if row.what == "repaired"},
            found_ever={row.kind: row.total for row in totals if row.what == "found"},
            repaired_ever={row.kind: row.total for row in totals if row.what == "repaired"},
            runs={row.status: row.runs for row in runs},
            last_done_s=next((row.last_s for row in runs if row.status == "done"), None),
        )

    def mails(self) -> MailFigures:
        """Count by indexes: of mails that were not sent there are few, of those sent only a day's are looked at."""
        with statement(self._engine) as connection:
            found = connection.execute(MAILS).all()
        states = dict.fromkeys((state.value for state in MailState), 0) | {row.state: row.mails for row in found}
        return MailFigures(states=states, oldest_unsent_s=max((row.oldest_s or 0.0 for row in found), default=0.0))
