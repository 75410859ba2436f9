"""Fetches that assign fifteen tickets each, against pgbench with the same statement on the same machine.

All agents fetch, all agents sell, and again; the two phases are timed apart, and claims a second are of the fetch phase
alone. Of the sales as many go over HTTP as there is time for; one statement, which is not timed, empties the other hands.
"""

from __future__ import annotations

from collections.abc import Iterator

from scripts.benchmark import stock
from scripts.benchmark.closed_loop import Connections, Tally
from scripts.benchmark.figures import Row
from scripts.benchmark.parts import Part
from scripts.benchmark.scenarios.loads import HAND, fetch_all, sell_some
from scripts.benchmark.sites import Site
from scripts.benchmark.stage import Stage

NAME = "fetch-assigning"
SERVICE, PGBENCH, SALES, BASELINE = "service", "pgbench", "sales, 15 a request", "baseline"


def run(stage: Stage) -> Iterator[Row]:
    """Alternate pgbench and the service at the first number of connections; the service alone at the others."""
    web = stage.main_web
    for place, connections in enumerate(stage.plan.levels):
        floor = Row(scenario=NAME, what=PGBENCH, unit="claims", connections=32)
        row = Row(scenario=NAME, what=SERVICE, unit="claims", connections=connections)
        sales = Row(scenario=NAME, what=SALES, unit="requests", connections=connections) if place == 0 else None
        with Connections(web.port, connections) as lines:
            for _ in range(stage.plan.rounds):
                if place == 0 and stage.floor is not None:
                    floor.rounds.append(stage.floor.round(stage.meter(None)))
                    stage.show(floor)
                one_round(stage, stage.main, web, lines, row, sales)
        yield from (each for each in (floor, row, sales) if each is not None and each.rounds)


def one_round(stage: Stage, site: Site, web: Part, lines: Connections, row: Row, sales: Row | None) -> None:
    """Let agents fetch until the fetches alone have lasted long enough; let some of them sell."""
    meter, fetched = stage.meter(web, background=True), Tally()
    while fetched.seconds < stage.plan.seconds:
        stock.clear_hands(site.sql, site.queue)
        site.stock_up(HAND * len(stage.seats) + 1_000)
        stage.databases.checkpoint()
        meter.start()
        fetched.add(fetch_all(lines, stage.seats))
        meter.pause()
    row.rounds.append(meter.round_of(fetched))
    stage.show(row)
    if sales is not None:
        meter = stage.meter(web, background=True)
        meter.start()
        sold = sell_some(lines, stage.seats, stage.plan.seconds)
        meter.pause()
        sales.rounds.append(meter.round_of(sold))
        stage.show(sales)
