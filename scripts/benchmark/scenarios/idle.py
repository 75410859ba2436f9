"""What most polls are: a fetch that assigns nothing, against a hello-world under the same gunicorn configuration."""

from __future__ import annotations

from collections.abc import Iterator

from scripts.benchmark.closed_loop import Connections
from scripts.benchmark.figures import Row
from scripts.benchmark.parts import Part
from scripts.benchmark.scenarios.loads import fetch_all, over_and_over, steady
from scripts.benchmark.stage import Stage
from scripts.benchmark.wire import request

NAME = "fetch-idle"
HELLO = "hello-world"
FULL, EMPTY = "full hand", "empty queue"
EMPTY_SITE = "empty"
WARM_PASSES = 3


def run(stage: Stage) -> Iterator[Row]:
    """Alternate hello-world, polls with a full hand and polls of an empty queue, at each number of connections."""
    fetches = [seat.fetch for seat in stage.seats]
    webs = _webs(stage)
    for connections in stage.plan.levels:
        rows = {what: Row(scenario=NAME, what=what, unit="requests", connections=connections) for what in webs}
        for _ in range(stage.plan.rounds):
            for what, web in webs.items():
                load = [request("GET", "/hello")] if what == HELLO else fetches
                meter = stage.meter(web, background=True)
                with Connections(web.port, connections) as lines:
                    rows[what].rounds.append(steady(lines, over_and_over(load), meter, stage.plan.seconds))
                stage.show(rows[what])
        yield from rows.values()


def _webs(stage: Stage) -> dict[str, Part]:
    """Start what is compared: with hands that are full, and where there is nothing to be had."""
    full, empty = stage.main_web, stage.site(EMPTY_SITE)
    empty.container.queue_rebuild.run()
    empty_web = empty.web("web")
    stage.main.stock_up(15 * len(stage.seats) + 1_000)
    with Connections(full.port, 32) as lines:
        fetch_all(lines, stage.seats)
    for web in (full, empty_web):
        with Connections(web.port, 32) as lines:
            lines.drive(over_and_over([seat.fetch for seat in stage.seats]), seconds=2.0)
    return {HELLO: stage.hello, FULL: full, EMPTY: empty_web}
