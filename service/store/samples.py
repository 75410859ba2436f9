"""Figures over time: see `service.usecases.ports.operations.SampleStore` for what each method promises."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, text

from service.domain.model import Priority
from service.store.engine import statement
from service.store.readings import Readings
from service.usecases.ports.operations import Bucket, LoadStep, Pace, Reading

SETTLED_S = 10
"""Age at which events are counted: each is stamped when its transaction begins and seen once that has ended."""

AFTER_MINUTE_S = 5
"""How long after a full minute its sample is taken."""

KEEP_MINUTES = "interval '24 hours'"
KEEP_HOURS = "interval '90 days'"

_FLOWS = """
    count(*) FILTER (WHERE cause IN ('create', 'import')) AS created,
    count(*) FILTER (WHERE cause IN ('fetch', 'dispatch', 'reassign')) AS assigned,
    count(*) FILTER (WHERE cause = 'sell') AS sold,
    count(*) FILTER (WHERE cause = 'resolve') AS resolved,
    count(*) FILTER (WHERE cause IN ('release', 'return', 'away', 'deactivate')) AS returned
"""

# Counted from where the last sample stopped, so that a pause of the clock loses nothing; a day at the most.
KEEP = text(f"""
WITH span AS (
    SELECT since, greatest(since, now() - interval '{SETTLED_S} seconds') AS until
    FROM (SELECT greatest(coalesce((SELECT flows_until FROM samples ORDER BY grain = 'minute' DESC, at DESC LIMIT 1),
                                   now()), now() - interval '1 day') AS since) AS s
), flows AS (
    SELECT {_FLOWS} FROM ticket_events, span WHERE at > span.since AND at <= span.until
), drift AS (
    SELECT what.name AS what, jsonb_object_agg(what.kind, what.total) AS counts
    FROM (
        SELECT w.name, kind.key AS kind, sum(CAST(kind.value AS bigint)) AS total
        FROM span JOIN reconciliations AS run
          ON NOT run.dry_run AND run.finished_at > span.since AND run.finished_at <= span.until
        CROSS JOIN LATERAL (VALUES ('found', run.confirmed), ('repaired', run.repaired)) AS w (name, counts)
        CROSS JOIN LATERAL jsonb_each_text(w.counts) AS kind
        GROUP BY w.name, kind.key
    ) AS what GROUP BY what.name
), hands AS (
    SELECT coalesce(sum(held), 0) AS held,
           coalesce(sum(capacity) FILTER (WHERE availability = 'available'), 0) AS capacity
    FROM agents WHERE is_active
)
INSERT INTO samples (grain, at, span_s, flows_until, open_high, open_medium, open_low, oldest_open_s, held, capacity,
                     claims, is_degraded, created, assigned, sold, resolved, returned, found, repaired)
SELECT 'minute', date_trunc('minute', now()), extract(epoch FROM span.until - span.since), span.until,
       :high, :medium, :low, :oldest_open_s, hands.held, hands.capacity, :claims, :is_degraded,
       flows.created, flows.assigned, flows.sold, flows.resolved, flows.returned,
       coalesce((SELECT counts FROM drift WHERE what = 'found'), '{{}}'),
       coalesce((SELECT counts FROM drift WHERE what = 'repaired'), '{{}}')
FROM span, flows, hands
ON CONFLICT (grain, at) DO NOTHING
""")  # noqa: S608 - the text is our own

NEXT = text("SELECT extract(epoch FROM date_trunc('minute', now()) + interval '1 minute' - now())::float8")

THIN = text(f"""
WITH gone AS (
    DELETE FROM samples WHERE grain = 'minute' AND at < date_trunc('hour', now() - {KEEP_MINUTES}) RETURNING *
), drift AS (
    SELECT date_trunc('hour', gone.at) AS hour, w.name AS what, kind.key AS kind,
           sum(CAST(kind.value AS bigint)) AS total
    FROM gone
    CROSS JOIN LATERAL (VALUES ('found', gone.found), ('repaired', gone.repaired)) AS w (name, counts)
    CROSS JOIN LATERAL jsonb_each_text(w.counts) AS kind
    GROUP BY 1, 2, 3
)
INSERT INTO samples (grain, at, span_s, flows_until, open_high, open_medium, open_low, oldest_open_s, held, capacity,
                     claims, is_degraded, created, assigned, sold, resolved, returned, found, repaired)
SELECT 'hour', minutes.hour, sum(span_s), max(flows_until), round(avg(open_high)), round(avg(open_medium)),
       round(avg(open_low)), max(oldest_open_s), round(avg(held)), round(avg(capacity)), max(claims),
       bool_or(is_degraded), sum(created), sum(assigned), sum(sold), sum(resolved), sum(returned),
       coalesce((SELECT jsonb_object_agg(kind, total) FROM drift
                 WHERE drift.hour = minutes.hour AND what = 'found'), '{{}}'),
       coalesce((SELECT jsonb_object_agg(kind, total) FROM drift
                 WHERE drift.hour = minutes.hour AND what = 'repaired'), '{{}}')
FROM (SELECT *, date_trunc('hour', at) AS hour FROM gone) AS minutes GROUP BY minutes.hour
ON CONFLICT (grain, at) DO NOTHING
""")  # noqa: S608 - the text is our own

PRUNE = text(f"DELETE FROM samples WHERE grain = 'hour' AND at < now() - {KEEP_HOURS}")  # noqa: S608 - our own

_BINNED = """
date_bin(CAST(:bucket_s AS double precision) * interval '1 second', at, TIMESTAMPTZ '2001-01-01 00:00:00+00') AS bucket
"""
_LAST = "at > now() - CAST(:last_s AS double precision) * interval '1 second'"

BUCKETS = text(f"""
SELECT {_BINNED}, avg(open_high)::float8 AS high, avg(open_medium)::float8 AS medium, avg(open_low)::float8 AS low,
       max(oldest_open_s) AS oldest_open_s, avg(held)::float8 AS held, avg(capacity)::float8 AS capacity,
       max(claims) AS claims, bool_or(is_degraded) AS is_degraded, sum(span_s) AS span_s,
       sum(created)::bigint AS created, sum(assigned)::bigint AS assigned, sum(sold)::bigint AS sold,
       sum(resolved)::bigint AS resolved, sum(returned)::bigint AS returned
FROM samples WHERE {_LAST} GROUP BY bucket ORDER BY bucket
""")  # noqa: S608 - the text is our own

DRIFT = text(f"""
SELECT {_BINNED}, w.name AS what, kind.key AS kind, sum(CAST(kind.value AS bigint))::bigint AS total
FROM samples
CROSS JOIN LATERAL (VALUES ('found', found), ('repaired', repaired)) AS w (name, counts)
CROSS JOIN LATERAL jsonb_each_text(w.counts) AS kind
WHERE {_LAST} GROUP BY 1, 2, 3
""")  # noqa: S608 - the text is our own

PACE = text(f"SELECT {_FLOWS} FROM ticket_events WHERE at > now() - interval '1 minute'")  # noqa: S608 - our own

LOADS = text("""
SELECT held, count(*) FILTER (WHERE availability = 'available') AS available,
       count(*) FILTER (WHERE availability = 'away') AS away
FROM agents WHERE is_active GROUP BY held ORDER BY held
""")

_RATES = ("created", "assigned", "sold", "resolved", "returned")


class PostgresSamples:
    """Keep figures over time in PostgreSQL."""

    def __init__(self, engine: Engine, *, readings: Readings | None = None) -> None:
        """Read charts by `readings`."""
        self._engine = engine
        self._readings = readings or Readings(engine)

    def keep(self, reading: Reading) -> float:
        """Insert the minute's row. The first counts nothing: it only says from when on there is something to count."""
        values = {priority.value: reading.open[priority] for priority in Priority} | {
            "oldest_open_s": reading.oldest_open_s,
            "claims": reading.claims,
            "is_degraded": reading.is_degraded,
        }
        with statement(self._engine) as connection:
            connection.execute(KEEP, values)
            return float(connection.execute(NEXT).scalar_one()) + AFTER_MINUTE_S

    def thin(self) -> None:
        """Delete and sum up in one statement: a row is never in both shapes, nor in neither."""
        with statement(self._engine) as connection:
            connection.execute(THIN)
            connection.execute(PRUNE)

    def buckets(self, *, last_s: int, bucket_s: int) -> Sequence[Bucket]:
        """Sum up some 1,440 rows at the most for a day, 2,160 for a quarter."""
        values = {"last_s": last_s, "bucket_s": bucket_s}

        def read(connection: Connection) -> Sequence[Bucket]:
            rows = connection.execute(BUCKETS, values).mappings().all()
            drift: dict[tuple[datetime, str], dict[str, int]] = defaultdict(dict)
            for row in connection.execute(DRIFT, values):
                drift[row.bucket, row.what][row.kind] = row.total
            return [_bucket(row, drift) for row in rows]

        return self._readings.read(read)

    def moment(self) -> datetime:
        """Ask for the time."""
        with statement(self._engine) as connection:
            now: datetime = connection.execute(text("SELECT now()")).scalar_one()
            return now

    def pace(self) -> Pace:
        """Count the last events of the history."""
        with statement(self._engine) as connection:
            row = connection.execute(PACE).mappings().one()
        return Pace(**{name: row[name] for name in ("created", "assigned", "sold", "resolved")})

    def loads(self) -> Sequence[LoadStep]:
        """Group the agents."""
        with statement(self._engine) as connection:
            return [LoadStep(**row) for row in connection.execute(LOADS).mappings()]


def _bucket(row: RowMapping, drift: Mapping[tuple[datetime, str], dict[str, int]]) -> Bucket:
    rates: dict[str, Any] = {name: row[name] / row["span_s"] * 60 if row["span_s"] else None for name in _RATES}
    return Bucket(
        at=row["bucket"],
        open={priority: row[priority.value] for priority in Priority},
        oldest_open_s=row["oldest_open_s"],
        held=row["held"],
        capacity=row["capacity"],
        claims=row["claims"],
        is_degraded=row["is_degraded"],
        found=drift.get((row["bucket"], "found"), {}),
        repaired=drift.get((row["bucket"], "repaired"), {}),
        **rates,
    )
