"""Fetches that assign fifteen tickets each, against pgbench with the same statement on the same machine.

All agents fetch, all agents sell, and again; the two phases are timed apart, and claims a second are of the fetch phase
alone. As many sales go over HTTP as there is time for; one statement, which is not timed, empties the other hands.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from scripts.benchmark.closed_loop import Connections, Tally
from scripts.benchmark.figures import Round, Row
from scripts.benchmark.floor import CLIENTS
from scripts.benchmark.names import ASSIGNING, BASELINE, PGBENCH, SALES, SERVICE
from scripts.benchmark.parts import Part
from scripts.benchmark.scenarios.loads import HAND, fetch_all, sell_some
from scripts.benchmark.sites import Site
from scripts.benchmark.stage import Stage

_SPARE = 1_000
_LONG_ENOUGH = 0.8
"""So much of a round: what is left would be a phase too short to say anything."""


@dataclass(frozen=True)
class Contender:
    """A web server, the site it serves, and whether that has a queue in Redis."""

    web: Part
    site: Site
    queued: bool = True


def run(stage: Stage) -> Iterator[Row]:
    """Alternate pgbench, service, sales and baseline at the first number of connections, and the service at the others.

    All in turns: what is measured minutes apart may differ because the machine does.
    """
    service = Contender(stage.main_web, stage.main)
    baseline = Contender(stage.baseline, stage.plain, queued=False)
    first, *others = stage.plan.levels
    floor = Row(scenario=ASSIGNING, what=PGBENCH, unit="claims", connections=CLIENTS)
    rows = {
        level: Row(scenario=ASSIGNING, what=SERVICE, unit="claims", connections=level) for level in (first, *others)
    }
    sales = Row(scenario=ASSIGNING, what=SALES, unit="requests", connections=first)
    plain = Row(scenario=ASSIGNING, what=BASELINE, unit="claims", connections=first)
    with contextlib.ExitStack() as opened:
        lines = {level: opened.enter_context(Connections(service.web.port, level)) for level in rows}
        plain_lines = opened.enter_context(Connections(stage.baseline.port, first))
        warm_up(stage, service, lines[first])
        warm_up(stage, baseline, plain_lines)
        for _ in range(stage.plan.rounds):
            if stage.floor is not None:
                _add(stage, floor, stage.floor.round(stage.meter(None)))
            _add(stage, rows[first], fetches(stage, service, lines[first]))
            _add(stage, sales, _sales(stage, service, lines[first]))
            _add(stage, plain, fetches(stage, baseline, plain_lines))
            for level in others:
                _add(stage, rows[level], fetches(stage, service, lines[level]))
    yield from (each for each in (floor, rows[first], sales, plain, *(rows[level] for level in others)) if each.rounds)


def _add(stage: Stage, row: Row, found: Round) -> None:
    row.rounds.append(found)
    stage.show(row)


def warm_up(stage: Stage, contender: Contender, lines: Connections) -> None:
    """Have tokens known, statistics up to date and plans made, as they are in a service that has run for a day."""
    for settled in (False, True):
        contender.site.clear_hands(queued=contender.queued)
        contender.site.stock_up(HAND * len(stage.seats) + _SPARE, queued=contender.queued)
        if settled:
            contender.site.settle()
        fetch_all(lines, stage.seats, seconds=stage.plan.seconds)


def fetches(stage: Stage, contender: Contender, lines: Connections) -> Round:
    """Let all agents fetch, again and again, until the fetches alone have lasted as long as a round."""
    site, queued = contender.site, contender.queued
    meter, fetched = stage.meter(contender.web, background=queued), Tally()
    while fetched.seconds < _LONG_ENOUGH * stage.plan.seconds:
        site.clear_hands(queued=queued)
        site.stock_up(HAND * len(stage.seats) + _SPARE, queued=queued)
        meter.start()
        fetched.add(fetch_all(lines, stage.seats, seconds=stage.plan.seconds - fetched.seconds))
        meter.pause()
    return meter.round_of(fetched)


def _sales(stage: Stage, contender: Contender, lines: Connections) -> Round:
    """Let the agents who have just fetched sell, for as long as a round lasts."""
    meter = stage.meter(contender.web, background=True)
    meter.start()
    sold = sell_some(lines, stage.seats, stage.plan.seconds)
    meter.pause()
    return meter.round_of(sold)
