"""The largest queue: held against PostgreSQL, and what it takes of Redis's memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime

from scripts.benchmark import commands
from scripts.benchmark.drift import plant
from scripts.benchmark.figures import Round, Row
from scripts.benchmark.names import DRIFT, MEMORY, NO_DRIFT, RECONCILE
from scripts.benchmark.scenarios.backlogs import site_of
from scripts.benchmark.sites import Site
from scripts.benchmark.stage import Stage
from service.domain.model import Priority
from service.ticket_queue.client import make_client
from service.ticket_queue.keys import Keys

_SHARE = 0.01


class UnrepairedError(Exception):
    """Say what a run left as it was."""


def reconcile(stage: Stage) -> Iterator[Row]:
    """Hold the largest queue against PostgreSQL, in a process of its own: with nothing wrong, and with much wrong."""
    site = site_of(stage, stage.plan.large)
    rows = {what: Row(scenario=RECONCILE, what=what, unit="tickets") for what in (NO_DRIFT, DRIFT)}
    for number in range(stage.plan.rounds):
        rows[NO_DRIFT].rounds.append(_run(stage, site))
        stage.show(rows[NO_DRIFT])
        planted = plant(site, share=_SHARE, seed=number)
        found = _run(stage, site)
        if found.extra["repaired"] < 4 * planted:
            raise UnrepairedError(f"{4 * planted:,} were wrong, {found.extra['repaired']:,.0f} were repaired")
        rows[DRIFT].rounds.append(found)
        stage.show(rows[DRIFT])
    yield from rows.values()


def _run(stage: Stage, site: Site) -> Round:
    """Run once, timed by the run's own record; the command's start is told apart."""
    meter = stage.meter(None)
    meter.start()
    ran = commands.run(["reconcile", "--json"], environ=site.environ, log=stage.servers.directory / "reconcile.log")
    meter.pause()
    meter.belongs("command", ran.cpu_s)
    run = json.loads(ran.said)
    took = datetime.fromisoformat(run["finished_at"]) - datetime.fromisoformat(run["started_at"])
    extra = {"peak_mib": ran.peak_mib, "with_start_s": ran.seconds, "repaired": float(sum(run["repaired"].values()))}
    return meter.round(took.total_seconds(), stage.plan.large, extra=extra)


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
