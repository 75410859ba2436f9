"""Files of tickets into PostgreSQL and the queue together: by the command, and over HTTP through the worker."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from scripts.benchmark import commands
from scripts.benchmark.admin import Admin, RefusedError
from scripts.benchmark.figures import Round, Row
from scripts.benchmark.names import IMPORT
from scripts.benchmark.stage import Stage

COMMAND, HTTP = "fairdeal import", "POST /api/tickets/import"
_PATIENCE_S = 300.0
_POLL_S = 0.05


def run(stage: Stage) -> Iterator[Row]:
    """Alternate the two, each time a file of as many tickets."""
    rows = {what: Row(scenario=IMPORT, what=what, unit="tickets") for what in (COMMAND, HTTP)}
    file = stage.servers.directory / "tickets.csv"
    lines = "".join(f"Printer {n} is on fire,Smoke comes out of it\n" for n in range(stage.plan.import_rows))
    file.write_text(f"subject,description\n{lines}")
    few = stage.servers.directory / "one-ticket.csv"
    few.write_text("subject,description\nPrinter is on fire,Smoke comes out of it\n")
    admin = Admin(stage.main_web.port)
    for _ in range(stage.plan.rounds):
        rows[COMMAND].rounds.append(_by_command(stage, file, few))
        stage.show(rows[COMMAND])
        rows[HTTP].rounds.append(_over_http(stage, admin, file))
        stage.show(rows[HTTP])
    yield from rows.values()


def _by_command(stage: Stage, file: Path, few: Path) -> Round:
    """Import with the command; its start counts, and is told apart by a dry run of next to nothing."""
    log = stage.servers.directory / "import.log"
    start_s = commands.run(["import", str(few), "--dry-run"], environ=stage.main.environ, log=log).seconds
    meter = stage.meter(stage.main_web, background=True)
    meter.start()
    ran = commands.run(["import", str(file)], environ=stage.main.environ, log=log)
    meter.pause()
    meter.belongs("command", ran.cpu_s)
    steady = stage.plan.import_rows / max(ran.seconds - start_s, 0.001)
    extra = {"peak_mib": ran.peak_mib, "start_s": start_s, "after_start_per_s": steady}
    return meter.round(ran.seconds, stage.plan.import_rows, extra=extra)


def _over_http(stage: Stage, admin: Admin, file: Path) -> Round:
    """Send the file and wait until the worker has imported it."""
    content = file.read_bytes()
    meter = stage.meter(stage.main_web, background=True)
    meter.start()
    began = time.perf_counter()
    job = admin.ask("POST", "/api/tickets/import", content, kind="text/csv")
    while job.get("finished_at") is None and "id" in job:
        if time.perf_counter() - began > _PATIENCE_S:
            raise RefusedError(f"the import has not ended after {_PATIENCE_S:.0f} s: {job}")
        time.sleep(_POLL_S)
        job = admin.ask("GET", f"/api/imports/{job['id']}")
    seconds = time.perf_counter() - began
    meter.pause()
    if job["imported"] != stage.plan.import_rows:
        raise RefusedError(f"the import did not import everything: {str(job)[:500]}")
    return meter.round(seconds, stage.plan.import_rows)
