"""What most polls are: a fetch that assigns nothing, against a hello-world under the same gunicorn configuration."""

from __future__ import annotations

from collections.abc import Iterator

from scripts.benchmark.closed_loop import Connections
from scripts.benchmark.figures import Row
from scripts.benchmark.names import BASELINE, EMPTY, FULL, HELLO, IDLE
from scripts.benchmark.parts import Part
from scripts.benchmark.scenarios.loads import HAND, fetch_all, over_and_over, steady
from scripts.benchmark.stage import Stage
from scripts.benchmark.wire import request

EMPTY_SITE = "empty"
WARM_UP_S = 2.0


def run(stage: Stage) -> Iterator[Row]:
    """Alternate hello-world, polls with a full hand and polls of an empty queue, at each number of connections."""
    fetches = [seat.fetch for seat in stage.seats]
    webs = _webs(stage)
    for connections in stage.plan.levels:
        first = connections == stage.plan.levels[0]
        contenders = {what: web for what, web in webs.items() if first or what != BASELINE}
        rows = {what: Row(scenario=IDLE, what=what, unit="requests", connections=connections) for what in contenders}
        for _ in range(stage.plan.rounds):
            for what, web in contenders.items():
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
    stage.main.stock_up(HAND * len(stage.seats))
    with Connections(full.port, 32) as lines:
        fetch_all(lines, stage.seats)
    stage.main.settle()
    baseline = _baseline(stage)
    for web in (full, empty_web, baseline):
        with Connections(web.port, 32) as lines:
            lines.drive(over_and_over([seat.fetch for seat in stage.seats]), seconds=min(WARM_UP_S, stage.plan.seconds))
    return {HELLO: stage.hello, FULL: full, EMPTY: empty_web, BASELINE: baseline}


def _baseline(stage: Stage) -> Part:
    """Start the straightforward application, where hands are full as well."""
    stage.plain.stock_up(HAND * len(stage.seats), queued=False)
    with Connections(stage.baseline.port, 32) as lines:
        fetch_all(lines, stage.seats)
    stage.plain.settle()
    return stage.baseline
