"""The largest queue: held against PostgreSQL, and what it takes of Redis's memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime

from scripts.benchmark import commands
from scripts.benchmark.figures import Round, Row
from scripts.benchmark.names import MEMORY, RECONCILE
from scripts.benchmark.scenarios.backlogs import site_of
from scripts.benchmark.stage import Stage
from service.domain.model import Priority
from service.ticket_queue.client import make_client
from service.ticket_queue.keys import Keys


def reconcile(stage: Stage) -> Iterator[Row]:
    """Hold the largest queue against PostgreSQL, in a process of its own; nothing is wrong with it."""
    site = site_of(stage, stage.plan.large)
    row = Row(scenario=RECONCILE, what="full run", unit="tickets")
    for _ in range(stage.plan.rounds):
        meter = stage.meter(None)
        meter.start()
        ran = commands.run(["reconcile", "--json"], environ=site.environ, log=stage.servers.directory / "reconcile.log")
        meter.pause()
        meter.belongs("command", ran.cpu_s)
        run = json.loads(ran.said)
        took_s = (
            datetime.fromisoformat(run["finished_at"]) - datetime.fromisoformat(run["started_at"])
        ).total_seconds()
        extra = {
            "peak_mib": ran.peak_mib,
            "with_start_s": ran.seconds,
            "repaired": float(sum(run["repaired"].values())),
        }
        row.rounds.append(meter.round(took_s, stage.plan.large, extra=extra))
        stage.show(row)
    yield row


def memory(stage: Stage) -> Iterator[Row]:
    """Ask Redis what the largest queue takes."""
    site = site_of(stage, stage.plan.large)
    client, keys = make_client(site.settings.redis_url, timeout_ms=10_000), Keys(site.settings.queue_prefix)
    queues = [keys.queue(priority) for priority in Priority]
    used = sum(client.memory_usage(queue, samples=0) or 0 for queue in queues)
    count = sum(client.llen(queue) for queue in queues)
    client.close()
    extra = {"bytes_per_ticket": used / count if count else 0.0}
    row = Row(
        scenario=MEMORY, what="lists of ids", unit="tickets", rounds=[Round(seconds=0.0, count=count, extra=extra)]
    )
    stage.show(row)
    yield row
