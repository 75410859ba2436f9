"""What scenarios and contenders are called: in the figures, on the command line and in the report."""

from __future__ import annotations

IDLE, ASSIGNING, MIXED, IMPORT = "fetch-idle", "fetch-assigning", "mixed-day", "import"
SWEEP, PAGES, RECONCILE, MEMORY = "backlog-sweep", "pages", "reconcile", "queue-memory"

HELLO, FULL, EMPTY = "hello-world", "full hand", "empty queue"
NO_DRIFT, DRIFT = "full run", "1 % each missing, phantom, twice and moved"
SERVICE, PGBENCH, SALES, BASELINE = "service", "pgbench", "sales, 15 a request", "baseline"


def on_backlog(who: str, tickets: int) -> str:
    """Name a contender on a backlog of so many tickets."""
    return f"{who}, {tickets:,} queued"


COMPARE = "compare "
"""What the scenarios of `--compare` begin with."""
OTHERWISE = ", otherwise"
"""What their rows of the other variant end with."""
