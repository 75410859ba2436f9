"""A service that has run for a quarter: figures over time, agents, runs and failed jobs, as operators meet them."""

from __future__ import annotations

from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer
from sqlalchemy import Engine, text

from service.config import Settings
from service.job_queue import queue_name

_WAVES = """
    {grain}, at, {span}, at,
    round(20 + 15 * sin(n / 9.0) + 5 * sin(n / 2.0)), round(300 + 250 * sin(n / 14.0)), round(90 + 60 * cos(n / 20.0)),
    400 + 380 * sin(n / 11.0), round(150 + 40 * sin(n / 8.0)), 240, (n % 7), n BETWEEN 20 AND 26,
    round({span} / 60 * (40 + 20 * sin(n / 5.0))), round({span} / 60 * (38 + 20 * sin(n / 6.0))),
    round({span} / 60 * (9 + 5 * sin(n / 4.0))), round({span} / 60 * 15), round({span} / 60 * (n % 3)),
    CASE WHEN n % 17 = 0 THEN '{{"missing": 3, "phantom": 1}}'
         WHEN n % 23 = 0 THEN '{{"stale_claim": 2}}' ELSE '{{}}' END::jsonb,
    CASE WHEN n % 17 = 0 THEN '{{"missing": 3, "phantom": 1}}' ELSE '{{}}' END::jsonb
"""

MINUTES = f"""
INSERT INTO samples SELECT {_WAVES.format(grain="'minute'", span="60")}
FROM (SELECT n, date_trunc('minute', now()) - n * interval '1 minute' AS at FROM generate_series(0, 1439) AS n) AS m
WHERE n NOT BETWEEN 40 AND 43
"""

HOURS = f"""
INSERT INTO samples SELECT {_WAVES.format(grain="'hour'", span="3600")}
FROM (SELECT n, date_trunc('hour', now()) - n * interval '1 hour' AS at FROM generate_series(25, 2159) AS n) AS h
"""

AGENTS = """
WITH made AS (
    INSERT INTO users (username, role, password_hash) SELECT 'agent-' || n, 'agent', '!' FROM generate_series(1, 120) n
    RETURNING id
)
INSERT INTO agents (id, level, availability)
SELECT id, 'senior', CASE WHEN id % 6 = 0 THEN 'away' ELSE 'available' END FROM made
"""

HELD = """
INSERT INTO tickets (subject, status, agent_id, epoch, assigned_at)
SELECT 'Held', 'assigned', a.id, 1, now() FROM agents AS a, generate_series(1, (a.id * 7 % 16)::int)
"""

WAITING = """
INSERT INTO tickets (subject, priority, created_at, updated_at)
SELECT 'Waiting', (ARRAY['high', 'medium', 'medium', 'low'])[1 + n % 4], now() - n * interval '1 second',
       now() - n * interval '1 second' FROM generate_series(1, 10000) AS n
"""

RUNS = """
INSERT INTO reconciliations (tier, trigger, dry_run, status, requested_at, started_at, finished_at, found, confirmed,
                             repaired, rows_compared, error)
SELECT CASE WHEN n % 3 = 0 THEN 'full' ELSE 'fast' END, CASE WHEN n % 5 = 0 THEN 'page' ELSE 'clock' END, n % 10 = 0,
       CASE WHEN n % 11 = 0 THEN 'failed' ELSE 'done' END, now() - (60 - n) * interval '1 minute',
       now() - (60 - n) * interval '1 minute', now() - (60 - n) * interval '1 minute' + interval '740 ms',
       CASE WHEN n % 4 = 0 THEN '{"missing": 12, "phantom": 4, "stale_claim": 1}' ELSE '{}' END::jsonb,
       CASE WHEN n % 4 = 0 THEN '{"missing": 12, "phantom": 4, "stale_claim": 1}' ELSE '{}' END::jsonb,
       CASE WHEN n % 4 = 0 THEN '{"missing": 12, "phantom": 4}' ELSE '{}' END::jsonb, 1234567 * n,
       CASE WHEN n % 11 = 0 THEN 'Redis did not answer (ConnectionError); try again shortly' END
FROM generate_series(1, 60) AS n
"""

ERROR = """Traceback (most recent call last):
  File "/srv/fairdeal/workers/jobs.py", line 47, in import_tickets
    container.imports.run(import_id)
  File "/srv/fairdeal/service/usecases/imports.py", line 118, in run
    raise RuntimeError(f"The file of import {import_id} ends in the middle of a character: " + "x" * 60)
RuntimeError: The file of import 7 ends in the middle of a character: xxxxxxxxxxxxxxxxxxxxxxxxxxxxx
"""


def lay_quarter(engine: Engine) -> None:
    """Write a quarter's figures, a team at work, and the reconciler's last hour."""
    with engine.begin() as connection:
        for statement in (MINUTES, HOURS, AGENTS, HELD, WAITING, RUNS):
            connection.execute(text(statement))


def lay_failures(settings: Settings, count: int) -> None:
    """Leave failed jobs behind, as RQ does."""
    client = Redis.from_url(settings.redis_url)
    queue = Queue(queue_name(settings.queue_prefix), connection=client, serializer=JSONSerializer)
    for n in range(count):
        job = queue.enqueue_call("workers.jobs.import_tickets", args=(n,))
        queue.remove(job)
        with client.pipeline() as pipeline:
            job._handle_failure(ERROR, pipeline=pipeline, worker_name="w")
            pipeline.execute()
    client.close()
