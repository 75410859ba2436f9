"""PostgreSQL's own floor: pgbench runs the arbiter's statement, prepared, fifteen tickets a claim, each committed.

On a database of its own with as many agents as claims: every agent's hand is empty, every ticket open, as it is for a
fetch. What HTTP, Python and Redis cost is not in it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts.benchmark.figures import Round
from scripts.benchmark.meter import Meter
from scripts.benchmark.sites import Site
from scripts.binaries import find_binary
from service.domain.model import Cause, Level
from service.domain.policy import QUEUES_BY_LEVEL
from service.store import arbiter

CLIENTS, THREADS, HAND = 32, 2, 15

_TAKES = {
    f"{level.value}_takes": "{" + ",".join(priority.value for priority in QUEUES_BY_LEVEL[level]) + "}"
    for level in Level
}
_GIVEN: Mapping[str, str] = {
    "limit": str(HAND),
    "cause": Cause.FETCH.value,
    "restless_s": str(arbiter.RESTLESS_S),
    **_TAKES,
}
_PUT_FOR = {
    "claim_id": "gen_random_uuid()",
    "ticket_ids": "ARRAY(SELECT generate_series(CAST(:first AS bigint), CAST(:first AS bigint) + 14))",
    "actor_id": ":agent_id",
}
_PLACEHOLDER = re.compile(r"(?<![:\w]):([a-z]\w*)")

_RESET = (
    "SET session_replication_role = replica",  # history is not to be truncated, but for us
    "TRUNCATE tickets, ticket_events, claims CASCADE",
    """INSERT INTO tickets (id, subject) OVERRIDING SYSTEM VALUE
       SELECT n, 'Printer ' || n || ' is on fire' FROM generate_series(1, %(tickets)s) AS n""",
    """INSERT INTO ticket_events (ticket_id, cause, to_status, epoch)
       SELECT id, 'import', 'open', epoch FROM tickets ORDER BY id""",
    "UPDATE agents SET held = 0 WHERE held > 0",
    "VACUUM ANALYZE tickets, ticket_events, claims, agents",
    "SET session_replication_role = origin",
)


class FloorFailedError(Exception):
    """Say what pgbench did not do."""


@dataclass(frozen=True)
class Floor:
    """A database for pgbench, with so many agents: one round is as many claims, a little less."""

    site: Site
    agents: int
    program: Path

    def round(self, meter: Meter) -> Round:
        """Lay the tickets, then claim them all. Raises `FloorFailedError`."""
        each = self.agents // CLIENTS
        self._reset(each * CLIENTS * HAND)
        logs = self.site.directory / "pgbench"
        shutil.rmtree(logs, ignore_errors=True)
        logs.mkdir()
        script = logs / "claim.sql"
        script.write_text(self._script(each))
        meter.start()
        began = time.perf_counter()
        said = self._pgbench(script, each, logs)
        took_s = time.perf_counter() - began
        meter.pause()
        self._check(each * CLIENTS)
        waits = [int(line.split()[2]) / 1e6 for log in logs.glob("log.*") for line in log.read_text().splitlines()]
        rate = float(re.findall(r"tps = ([0-9.]+)", said)[0])
        return meter.round(len(waits) / rate, len(waits), waits=waits, extra={"wall_s": took_s})

    def _reset(self, tickets: int) -> None:
        with self.site.sql.cursor() as cursor:
            for statement in _RESET:
                cursor.execute(statement, {"tickets": tickets})

    def _script(self, each: int) -> str:
        own = [
            r"\set i :i + 1",
            rf"\set nth :client_id * {each} + :i",
            rf"\set first (:nth - 1) * {HAND} + 1",
            rf"\set agent_id {self._first_agent()} - 1 + :nth",
        ]
        return "\n".join([*own, statement() + ";", ""])

    def _first_agent(self) -> int:
        with self.site.sql.cursor() as cursor:
            cursor.execute("SELECT min(id) FROM agents")
            return int((cursor.fetchone() or (0,))[0])

    def _pgbench(self, script: Path, each: int, logs: Path) -> str:
        options = ["-n", "-M", "prepared", "-c", str(CLIENTS), "-j", str(THREADS), "-t", str(each), "-f", str(script)]
        variables = [part for name, value in ({"i": "0"} | dict(_GIVEN)).items() for part in ("-D", f"{name}={value}")]
        done = subprocess.run(
            [self.program, *options, *variables, "-l", f"--log-prefix={logs / 'log'}", self.site.database_url],
            capture_output=True, text=True, check=False, cwd=logs,
        )  # fmt: skip
        if done.returncode != 0:
            raise FloorFailedError(f"pgbench ended with status {done.returncode}: {done.stderr[-500:]}")
        return done.stdout

    def _check(self, claims: int) -> None:
        with self.site.sql.cursor() as cursor:
            cursor.execute("SELECT count(*), coalesce(sum(cardinality(ticket_ids)), 0) FROM claims")
            found = tuple(map(int, cursor.fetchone() or ()))
        if found != (claims, claims * HAND):
            raise FloorFailedError(f"pgbench made {found[0]} claims of {found[1]} tickets; {claims} full ones were due")


def statement() -> str:
    """Write the arbiter's statement for pgbench. Raises `FloorFailedError` for a parameter that is not known here."""

    def put(match: re.Match[str]) -> str:
        name = str(match[1])
        if name not in _PUT_FOR and name not in _GIVEN and name != "agent_id":
            raise FloorFailedError(f"the arbiter's statement has a parameter that the floor does not know: {name}")
        return _PUT_FOR.get(name, str(match[0]))

    return _PLACEHOLDER.sub(put, str(arbiter.CLAIM.text).strip())


def find_pgbench() -> Path | None:
    """Find pgbench beside the PostgreSQL that is measured, else on PATH."""
    beside = find_binary("postgres").path.with_name("pgbench")
    found = beside if beside.is_file() else shutil.which("pgbench")
    return None if found is None else Path(found)
