"""Pages of lists and searches over the largest backlog, at several depths."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator

from scripts.benchmark.admin import Admin
from scripts.benchmark.closed_loop import Connections, Turn
from scripts.benchmark.figures import Row
from scripts.benchmark.names import PAGES
from scripts.benchmark.scenarios.backlogs import site_of
from scripts.benchmark.scenarios.loads import once_each
from scripts.benchmark.stage import Stage
from scripts.benchmark.wire import request

PAGE_REQUESTS = 40


def run(stage: Stage) -> Iterator[Row]:
    """Ask for pages of lists and searches, one request at a time, at several depths of the largest backlog."""
    site = site_of(stage, stage.plan.large)
    web = site.web("pages")
    token = Admin(web.port).token
    asked = _page_paths(stage.plan.large)
    rows = {what: Row(scenario=PAGES, what=what, unit="pages", connections=1) for what in asked}
    with Connections(web.port, 1) as lines:
        for _ in range(stage.plan.rounds):
            for what, path in asked.items():
                turns = [Turn(request("GET", path, token=token))] * PAGE_REQUESTS
                meter = stage.meter(web)
                meter.start()
                tally = lines.drive(once_each(turns))
                meter.pause()
                rows[what].rounds.append(meter.round_of(tally))
                stage.show(rows[what])
    yield from rows.values()


def _page_paths(tickets: int) -> dict[str, str]:
    depths = {f"list, {share} % deep": f"cursor={_cursor('id', tickets * share // 100)}" for share in (0, 10, 50, 99)}
    back = {f"newest first, {share} % deep": f"sort=-id&cursor={_cursor('-id', tickets * (100 - share) // 100)}"
            for share in (1, 50, 99)}  # fmt: skip
    searches = {
        "search, one hit": f"q=Printer+{tickets - 7}+is",
        "search, all hit": "q=fire",
        "search, all hit, 99 % deep": f"q=fire&cursor={_cursor('id', tickets * 99 // 100)}",
        "search, none hit": "q=submarine",
        "open and high": "status=open&priority=high",
        "by time of change": "sort=-updated_at",
    }
    return {what: f"/api/tickets?{query}" for what, query in {**depths, **back, **searches}.items()}


def _cursor(sort: str, last_id: int) -> str:
    """Write a cursor as service/store/paging.py does, so that a page in the depth need not be reached by a thousand."""
    return urlsafe_b64encode(json.dumps([sort, last_id, last_id], separators=(",", ":")).encode()).decode().rstrip("=")
